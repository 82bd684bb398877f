"""Translation of instructions: backends, locks, clean-up, checks, review, a learning translator."""
