"""Review without a network: the same translations as CSV, XLSX or JSON lines, and back.

One row is one turn. People change the columns `corrected`, `decision`, `tags` and `note`; all
others are compared with what is under review before anything is saved.
"""
