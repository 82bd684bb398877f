"""What the chat page and the review page share: logins, browser security, quotas, ownership, texts.

Guards stand around Gradio's own application as ASGI middleware, so that a request is authenticated,
bounded and attributed to a visitor before Gradio sees it.
"""
