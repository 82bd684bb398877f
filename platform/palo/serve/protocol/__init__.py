"""OpenAI's chat completions and responses: request bodies, answers, and requests to replicas.

`chat_request`, `responses_request` and `conversation` parse a body, `generate` defines the request
to a replica and its events, `bodies` and `response_bodies` write them as answers, and `dialects`
joins a parser with its writer. Nothing here depends on Ray, torch or a web framework.
"""
