"""Judges: models that score an answer beside a reference answer, and what they are worth."""
