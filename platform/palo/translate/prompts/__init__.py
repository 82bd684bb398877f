"""What a translator is told: words as data, one file for all languages and one for each."""
