"""Checks: each decides about a translation and says why."""
