"""Builds a corpus: sources, filters, images and tokens, in stages that resume."""
