import base64
import json
import random

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.large_images import separate_large_images

MAX_TEXT = 4000
FILE = random.Random(7).randbytes(90_000)
URL = "data:image/png;base64," + base64.b64encode(FILE).decode()


def read(body, max_text_bytes=MAX_TEXT):
    """Returns the JSON of a body with its large images put back."""
    separated = separate_large_images(body, max_text_bytes)
    assert len(separated.text) <= max_text_bytes

    def back(value):
        if isinstance(value, dict):
            return {key: back(item) for key, item in value.items()}
        if isinstance(value, list):
            return [back(item) for item in value]
        found = separated.files.get(value) if isinstance(value, str) else None
        return value if found is None else bytes(found).decode()

    return back(json.loads(bytes(separated.text))), len(separated.files)


@pytest.mark.parametrize(
    "values",
    [
        {"url": URL},
        {"a": [{"url": URL}, 'say "data:image/png" and \\', {"url": URL[:-8]}, "data:short"]},
        [URL, URL, {"last": 1}],
        URL,
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_large_images_are_taken_out_and_nothing_else(values, kind):
    body = json.dumps(values).encode()
    found, num_files = read(kind(body))
    assert found == values
    assert num_files == body.count(b"base64,")


def test_slashes_may_be_escaped_as_php_does():
    body = json.dumps({"url": URL}).replace("/", "\\/").encode()
    assert read(body) == ({"url": URL}, 1)
    end_of_piece = "data:image/png;base64," + "/" * 600_000
    assert read(json.dumps([end_of_piece]).replace("/", "\\/").encode()) == ([end_of_piece], 1)


def test_a_short_body_stays_as_it_is():
    body = json.dumps({"url": URL}).encode()
    separated = separate_large_images(body, len(body))
    assert separated.text is body
    assert not separated.files


@pytest.mark.parametrize(
    "text",
    [
        "x" * 5000,
        "data:" + "x" * 5000,  # no large one
        'he said "data:' + "x" * 70_000,  # a quote within a text opens none
        'data:image/png;base64,AAAA"' + "x" * 70_000,
        "data:" + "x" * 70_000 + '"',  # nor does one end it
    ],
)
def test_other_text_is_bounded(text):
    with pytest.raises(APIError) as caught:
        separate_large_images(json.dumps({"text": text, "url": URL}).encode(), MAX_TEXT)
    assert caught.value.code is APIErrorCode.CONTEXT_LENGTH_EXCEEDED


@pytest.mark.parametrize(
    "body",
    [
        b'"' + URL.encode(),
        b'{"a":"x"' + URL.encode() + b'"}',
        b'"data:' * 20_000,
        b'\\"data:' * 20_000,
    ],
)
def test_what_is_no_json_stays_none(body):
    with pytest.raises((APIError, json.JSONDecodeError)):
        json.loads(bytes(separate_large_images(body, MAX_TEXT).text))
