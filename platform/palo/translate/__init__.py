"""Translation of instructions: backends, locks, clean-up, gates, review, a learning translator."""
