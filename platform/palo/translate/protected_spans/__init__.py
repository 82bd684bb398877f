"""Protected spans: found before a translation, and verified after it."""
