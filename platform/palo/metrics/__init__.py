"""Metrics over texts, and their confidence intervals: pure functions that know no benchmark."""
