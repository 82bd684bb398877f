"""Benches: questions about images in several languages, whatever layout they are published in."""
