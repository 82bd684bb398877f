"""Corpora: sources, records, images, samples, and the plan and loader that feed training."""
