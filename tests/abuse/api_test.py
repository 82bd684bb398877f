"""What hostile clients of the API could do once: hold others up, fill the log, outlive their key.

Regression tests: each input was answered slowly, or was not noticed, before it was refused.
"""

import asyncio
import base64
import json
import logging
import threading
import time
from functools import partial

import pytest
from tests.abuse.endpoints import Played, app_of, ask, client_of, handler_of, keyed, refused

from palo.api_errors import APIError
from palo.observability import metrics
from palo.security.access import KeyRing
from palo.security.keys import ApiKey, key_digest, read_keys, revoke_key
from palo.serve import chat_handler as front_module

IMAGE = "data:image/png;base64," + base64.b64encode(bytes(300_000)).decode()
PATH = "/v1/chat/completions"


@pytest.fixture
def endpoint(tmp_path):
    """Makes a client of an endpoint with one key; it knows the front and the file of keys."""

    def make(model=None, **access):
        path = tmp_path / "keys.json"
        secret = keyed(path)
        handler = handler_of(model or Played(), path, **access)
        client = client_of(app_of(handler), secret)
        client.handler, client.key_file = handler, path
        return client

    return make


def cpu_s(work, repeats=3):
    """Returns the processor time of some work, the least of a few runs."""
    found = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


# Before the key


@pytest.mark.parametrize(
    ("path", "headers", "answer"),
    [
        (PATH, {f"x-{n}": "" for n in range(120)}, (431, "headers_too_large")),
        (PATH, {"x-large": "a" * 20_000}, (431, "headers_too_large")),
        ("/healthz", {"cookie": 'a="' + '\\"' * 15_000 + '"'}, (431, "headers_too_large")),
        ("/v1/models/" + "a" * 3000, {}, (414, "url_too_long")),
        ("/v1/models?" + "a" * 9000, {}, (414, "url_too_long")),
    ],
)
def test_a_long_head_is_refused_before_the_key_is_looked_at(endpoint, path, headers, answer):
    client = endpoint()
    del client.headers["Authorization"]
    assert refused(client.get(path, headers=headers)) == answer


def test_cookies_of_the_api_are_nobodys_work(endpoint, monkeypatch):
    """Reading them is quadratic in some versions of Python: 30 KB took seconds."""
    monkeypatch.setattr("starlette.requests.cookie_parser", lambda text: 1 // 0)
    headers = {"cookie": 'a="' + '\\"' * 7000 + '"'}
    client = endpoint()
    for path in ("/healthz", "/v1/models", "/metrics"):
        assert client.get(path, headers=headers).status_code == 200


def test_a_wrong_key_costs_the_same_however_many_there_are(endpoint, tmp_path, monkeypatch):
    def ring_of(number):
        keys = tuple(
            ApiKey(id=str(n), name="any", sha256=key_digest(str(n)), created="now")
            for n in range(number)
        )
        monkeypatch.setattr("palo.security.access.read_keys", lambda path: keys)
        return KeyRing(tmp_path)

    def guess(ring):
        for number in range(300):
            with pytest.raises(APIError):
                ring.find(f"Bearer wrong {number}")

    few, many = (cpu_s(partial(guess, ring_of(number))) for number in (10, 10_000))
    assert many < 20 * max(few, 0.001)


def test_strangers_can_not_fill_the_log(endpoint, caplog):
    caplog.set_level(logging.INFO, "palo")
    client = endpoint()
    client.headers["Authorization"] = "Bearer sk-palo-wrong"
    for _ in range(200):
        assert refused(ask(client)) == (401, "invalid_api_key")
    assert len(caplog.records) <= 40
    line = caplog.records[-1]
    assert (line.name, line.message) == ("palo.audit", "key_refused")
    assert line.audit["path"] == PATH
    assert "sk-palo" not in str([vars(record) for record in caplog.records])


def test_metrics_are_computed_once_for_all_who_ask(endpoint, monkeypatch):
    computed = []

    def counting(registry):
        computed.append(registry)
        return b"metrics"

    monkeypatch.setattr(metrics, "generate_latest", counting)
    client = endpoint()
    began = time.monotonic()
    assert all(client.get("/metrics").status_code == 200 for _ in range(30))
    assert len(computed) <= 2 + (time.monotonic() - began)


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/v1/models/palo"])
def test_lists_and_counts_have_a_limit_for_each_key(endpoint, monkeypatch, caplog, path):
    caplog.set_level(logging.INFO, "palo.audit")
    limits = front_module.KeyLimits(requests_per_minute=3, tokens_per_minute=None, concurrent=None)
    monkeypatch.setattr(front_module, "_LOOKUPS", limits, raising=False)
    client = endpoint()
    other = client_of(client.app, keyed(client.key_file, "other"))
    client.handler._access._ring._looked_s -= 2
    assert [client.get(path).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert other.get(path).status_code == 200
    assert ask(client).status_code == 200  # a question has limits of its own
    assert "limit_reached" in [record.message for record in caplog.records]


# After the key


@pytest.mark.parametrize(
    "content",
    ["\\[" * 20_000, [{"type": "image_url", "image_url": {"url": IMAGE}}]],
    ids=["text", "image"],
)
def test_others_are_answered_while_a_large_body_is_read(endpoint, monkeypatch, content):
    """The body is held at its last step until another request was answered."""
    answered, waited = threading.Event(), []

    def held(texts):
        waited.append(answered.wait(10))
        return "en"

    monkeypatch.setattr("palo.serve.protocol.conversation.detect_language", held)
    client = endpoint()
    authorization = (b"authorization", client.headers["Authorization"].encode())
    body = {"model": "palo", "messages": [{"role": "user", "content": content}]}

    async def request(method, path, body=b""):
        sent, messages = [], [{"type": "http.request", "body": body}]

        async def receive():
            return messages.pop() if messages else await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [authorization],
        }
        await client.app(scope, receive, send)
        return sent[0]["status"]

    async def both():
        large = asyncio.create_task(request("POST", PATH, json.dumps(body).encode()))
        await asyncio.sleep(0.05)
        small = await request("GET", "/healthz")
        answered.set()
        return small, await large

    assert asyncio.run(both()) == (200, 200)
    assert waited == [True]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "palo", "messages": [' + b"{}," * 200_000 + b"{}]}",
        b'{"model": "palo", "messages": [' + b"0," * 300_000 + b"0]}",
        b'{"model": "palo", "messages": [{"role": "user", "content": [' + b"0," * 99_000 + b"0]}]}",
        b'{"model": "palo", "messages": [], "modalities": [' + b'"x",' * 99_000 + b'"x"]}',
    ],
    ids=["objects", "numbers", "parts", "modalities"],
)
def test_wrong_values_are_refused_at_the_first(endpoint, body):
    """A hundred thousand of them cost one to two seconds: each became an error of its own."""
    client = endpoint()
    assert refused(client.post(PATH, content=body)) == (400, "invalid_request")
    assert cpu_s(lambda: client.post(PATH, content=body)) < 0.3


def test_text_is_bounded_before_it_is_parsed(endpoint, monkeypatch):
    monkeypatch.setattr("palo.serve.protocol.json_body.from_json", lambda *_, **__: 1 // 0)
    assert refused(ask(endpoint(), "a" * 2_000_000)) == (400, "context_length_exceeded")


def test_large_images_never_meet_the_parser(endpoint, monkeypatch):
    from palo.serve.protocol import json_body

    lengths, parse = [], json_body.from_json

    def parsed(body, **options):
        lengths.append(len(body))
        return parse(body, **options)

    monkeypatch.setattr(json_body, "from_json", parsed)
    model = Played()
    url = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 12_000).decode()
    image = {"type": "image_url", "image_url": {"url": url}}
    assert ask(endpoint(model), [image, {"type": "text", "text": "?"}, image]).status_code == 200
    assert max(lengths) < 1000
    assert [image.data for image in model.asked[0].images] == [bytes(range(256)) * 12_000] * 2


def test_images_are_counted_before_one_is_decoded(endpoint, monkeypatch):
    monkeypatch.setattr("palo.serve.image_reader.read_data_url", lambda *_: 1 // 0)
    many = [{"type": "image_url", "image_url": {"url": IMAGE}} for _ in range(9)]
    assert refused(ask(endpoint(), many)) == (400, "too_many_images")


@pytest.mark.parametrize("depth", [201, 100_000])
def test_deep_json_is_no_fault_of_ours(endpoint, depth):
    for body in (b"[" * depth, b'{"a":' * depth):
        response = endpoint().post(PATH, content=b'{"model": "palo", "messages": ' + body)
        assert refused(response) == (400, "invalid_request")


def test_words_for_an_image_stay_words(endpoint):
    model = Played()
    client = endpoint(model)
    for words in ("<image>", "<image>\n<image>", "large-image:0", IMAGE[:60]):
        assert ask(client, f"{words}", system="<image>").status_code == 200
        conversation = model.asked[-1].conversation
        assert conversation.turns[-1].text == words
        assert (conversation.system, conversation.turns[-1].num_images) == ("<image>", 0)
        assert not model.asked[-1].images


# While it is answered


@pytest.mark.parametrize("stream", [False, True])
def test_a_revoked_key_ends_its_answer(endpoint, stream, caplog, monkeypatch):
    monkeypatch.setattr("palo.serve.responses._CHECK_KEY_EVERY_S", 0.0)
    caplog.set_level(logging.INFO, "palo.audit")

    def between(number):
        if number == 2:  # a word was said
            (key,) = read_keys(client.key_file)
            revoke_key(client.key_file, key.id)
            client.handler._access._ring._looked_s -= 2

    client = endpoint(Played(between=between))
    response = ask(client, stream=stream)
    if stream:
        *_, error, done = [line for line in response.text.split("\n\n") if line]
        assert done == "data: [DONE]"
        assert json.loads(error.removeprefix("data: "))["error"]["code"] == "invalid_api_key"
        assert "বৃত্ত" not in response.text
    else:
        assert refused(response) == (401, "invalid_api_key")
    assert client.handler._num_requests == 0
    assert "answer_stopped" in [record.message for record in caplog.records]


@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_kept_by_nobody_and_belong_to_no_other_page(endpoint, stream):
    response = ask(endpoint(), stream=stream)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    response = endpoint().options(PATH, headers={"origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]
