"""The prompts of translators, as data: one file for all languages, and one for each."""
