"""What is written and read back: portable training checkpoints and finished runs."""
