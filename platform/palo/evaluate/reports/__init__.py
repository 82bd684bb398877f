"""Reports on benches: tables in the paper's form, charts, and pages with every answer."""
