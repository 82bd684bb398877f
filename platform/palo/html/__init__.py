"""HTML pages of one file each, safe by construction, right in every script and in the dark."""
