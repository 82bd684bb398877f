"""Calls of any OpenAI-compatible server, many at once, within limits.

    async with Caller(EndpointSettings(url="https://host/v1", model="judge")) as caller:
        reply = await caller.call(body)

A call paces itself, reserves its maximum cost, retries what may pass, and ends as a reply or a
failure, whatever the server sends.
"""
