"""Benches: questions about pictures in several languages, whatever layout they are published in."""
