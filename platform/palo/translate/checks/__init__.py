"""Quality checks: each decides about a translation, and gives its reason."""
