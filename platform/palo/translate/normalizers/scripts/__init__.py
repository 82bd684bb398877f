"""The normalizers of languages, a module for each family of scripts.

A module has `BY_LANGUAGE`, normalizers by ISO 639-1 code in the order in which they work, and may
have `BY_SCRIPT`, by ISO 15924 code, for the other languages of a script.
"""
