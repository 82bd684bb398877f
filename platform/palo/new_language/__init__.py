"""Adding a language: its files from Unicode's CLDR, and what is left to a native speaker."""
