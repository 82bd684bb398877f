"""Asking any OpenAI-compatible server, many questions at once."""
