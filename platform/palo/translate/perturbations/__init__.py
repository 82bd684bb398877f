"""Perturbations: errors injected into correct translations, to measure the quality checks."""
