"""One phrase book for each language, in a module that is named by its code and holds `BOOK`."""
