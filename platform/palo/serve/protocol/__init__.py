"""OpenAI's chat completions: request bodies, response bodies, and the requests to replicas.

`chat_request` and `conversation` parse a body, `generate` defines the request to a replica and its
events, and `bodies` writes them as responses. Nothing here depends on Ray, torch or a web
framework.
"""
