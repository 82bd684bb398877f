"""Clean-up of translations: how each language is written, as small rules that never touch locks."""
