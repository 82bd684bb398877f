"""Answers of models to the questions of a bench: from a checkpoint, over HTTP, or from a file."""
