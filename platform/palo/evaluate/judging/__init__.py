"""Judges: models that score an answer beside a reference answer, and checks of their quality."""
