"""Serving: the engine that makes answers, and what stands between it and the users."""
