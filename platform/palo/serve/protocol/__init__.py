"""OpenAI's chat completions: what clients send, what they get, and what the models are asked.

Nothing here knows Ray, torch or a web framework: bytes of a request become an `Ask`, and the pieces
of its answers become bodies and events.
"""
