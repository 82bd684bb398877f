"""Scenes of coloured shapes with questions and answers: the nano corpus, of any size."""
