"""One file a language with its `RULES`; a language without one has those of its script."""
