"""Authentication, limits and audit of the endpoint, for any ASGI application.

`access` authenticates requests with API keys, `http_limits` bounds their heads and bodies,
`rate_limiter` their number and tokens. Nothing here depends on Ray or on a web framework.
"""
