"""The endpoint: OpenAI's chat completions over HTTP, on Ray Serve.

A request passes Ray Serve's proxy and one ingress process, which authenticates it, bounds it, reads
it and chooses a replica; the replica encodes images and generates the answer with an engine of
`palo.inference`. The chat page is an application of its own beside the endpoint.

    run_application(application(ServeSettings(models=(source,))), "127.0.0.1", 8000)
"""
