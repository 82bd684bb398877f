"""Comparison of two models: logits, greedy answers, and whether a model made of another passes."""
