"""Whole endpoints without Ray: the web application over a model that a test plays, or a replica."""

import asyncio

from starlette.testclient import TestClient

from palo.inference.request import TokenUsage
from palo.observability.logs import RequestLog
from palo.security.access import Access, AccessSettings
from palo.security.http_limits import BodyBounds
from palo.security.keys import add_key
from palo.security.rate_limiter import RateLimiter
from palo.serve.chat_handler import ChatHandler
from palo.serve.decoder_pool import ImageRules
from palo.serve.image_reader import ImageReader
from palo.serve.ingress import IngressSettings, build_app
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.protocol.generate import Delta, Started
from palo.serve.replica_client import ReplicaClient

USAGE = TokenUsage(
    prompt_tokens=30,
    completion_tokens=3,
    cached_tokens=0,
    queue_s=0.0,
    first_token_s=0.1,
    total_s=0.2,
)
ANSWER = [
    [Started(version="fp", prompt_tokens=30)],
    [Delta(text="একটি ")],
    [Delta(text="বৃত্ত", finish="stop", usage=USAGE)],
]


class Played:
    """A model that says the same to everybody.

    `between` is called before each thing that it says, with the number of those it has said.
    """

    def __init__(self, said=ANSWER, between=lambda number: None):
        self.said, self.between, self.asked = said, between, []

    def __call__(self, ask):
        self.asked.append(ask)
        return Coming(self._items())

    async def _items(self):
        for number, items in enumerate(self.said):
            self.between(number)
            yield items


class Coming:
    """A stream of a deployment, as Ray Serve gives it."""

    def __init__(self, items):
        self._items = items

    async def __anext__(self):
        return await anext(self._items)

    def cancel(self):
        self._closing = asyncio.ensure_future(self._items.aclose())


def handler_of(call, key_file, models=("palo",), **access):
    """Returns what the ingress of an endpoint answers with, whose one model is `palo`."""
    return _handler({"palo": call}, models, key_file, **access)


def handler_of_models(calls, key_file, **access):
    """Returns what the ingress of an endpoint with these models answers with."""
    return _handler(calls, tuple(calls), key_file, **access)


def _handler(calls, models, key_file, **access):
    return ChatHandler(
        models,
        ReplicaClient(calls, 60.0),
        bounds=ProtocolBounds(),
        access=Access(AccessSettings(key_file=key_file, **access)),
        rate_limiter=RateLimiter(),
        images=ImageReader(ImageRules()),
        bodies=BodyBounds(),
        log=RequestLog(),
        max_requests=64,
        train_command="make a-model",
    )


def app_of(handler):
    """Returns the web application of an endpoint."""
    return build_app(handler, IngressSettings())


def client_of(app, secret):
    """Returns a client with a key."""
    client = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


def keyed(key_file, name="tests", **values):
    """Adds a key and returns it."""
    return add_key(key_file, name, **values)[0]


def ask(client, content="?", system=None, **values):
    """Sends a question."""
    messages = [{"role": "user", "content": content}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    body = {"model": "palo", "messages": messages} | values
    return client.post("/v1/chat/completions", json=body)


def refused(response):
    """Returns the status and the code of a refusal."""
    error = response.json()["error"]
    assert error["request_id"]
    assert "Traceback" not in response.text
    return response.status_code, error["code"]
