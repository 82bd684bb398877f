"""Review without a network: translations as CSV, XLSX or JSON lines, and their import.

One row is one turn. Reviewers change the columns `corrected`, `decision`, `tags` and `note`; all
others are compared with the translations under review before anything is saved.
"""
