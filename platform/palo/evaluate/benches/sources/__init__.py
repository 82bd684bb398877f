"""One file for each bench. A module here with a `SOURCE` is a bench; nothing else lists it."""
