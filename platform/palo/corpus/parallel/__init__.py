"""Parallel text, of which a text-only corpus is made: translations both ways, and plain text."""
