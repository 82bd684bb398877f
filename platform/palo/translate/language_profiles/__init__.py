"""Facts about languages that only translation needs: one file a language, none of them required."""
