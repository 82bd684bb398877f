"""Scenes of coloured shapes with questions and answers: the nano corpus, of any size.

A scene is drawn from a seed; `phrases` hold a phrase book for each language, from which captions,
questions and answers are made. `nano_base` holds the base weights of the nano recipe.
"""
