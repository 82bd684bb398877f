"""Faults that translators make, put into right translations to measure what the checks catch."""
