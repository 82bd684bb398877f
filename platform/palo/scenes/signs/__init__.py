"""Scenes with a sign, so that reading is trained and scored in each script."""
