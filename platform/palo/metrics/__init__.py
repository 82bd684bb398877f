"""Metrics over texts, and their confidence intervals."""
