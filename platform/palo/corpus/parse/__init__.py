"""The first stage: rows of sources become records."""
