"""HTML pages from templates: each one file, safe against injected markup, right in every script."""
