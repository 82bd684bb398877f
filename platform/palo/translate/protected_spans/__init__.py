"""Locks: what a translation must not change, found before it and proved intact after it."""
