import asyncio
import base64
import hashlib
import json
import threading

import pytest
from starlette.requests import Request

from palo.api_errors import APIError, APIErrorCode
from palo.security.http_limits import BodyBounds
from palo.serve.decoder_pool import ImageRules
from palo.serve.image_reader import ImageReader
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.request_reader import RequestReader

SMALL, LARGE = b"pixels", bytes(range(256)) * 400


class Elsewhere(ImageReader):
    """Has a file for each address of the web."""

    def __init__(self, file):
        super().__init__(ImageRules())
        self.file = file

    async def read(self, url, param=None):
        return self.file


def url_of(data):
    return "data:image/png;base64," + base64.b64encode(data).decode()


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


def read(content, images=None, num_parts=3, max_bytes=1 << 20, **values):
    """Reads a request whose body comes in parts."""
    intake = RequestReader(
        ("palo",),
        bounds=ProtocolBounds(max_text_characters=1000),
        bodies=BodyBounds(max_bytes=max_bytes),
        images=images or ImageReader(ImageRules()),
    )
    body = {"model": "palo", "messages": [{"role": "user", "content": content}]} | values
    sent = json.dumps(body).encode()
    size = len(sent) // num_parts + 1
    parts = [sent[place : place + size] for place in range(0, len(sent), size)]

    async def receive():
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    return asyncio.run(intake.read(request, "owner"))


def refused(*args, **values):
    with pytest.raises(APIError) as caught:
        read(*args, **values)
    return caught.value.code


@pytest.mark.parametrize("num_parts", [1, 2, 7])
def test_a_question_with_its_images_in_order(num_parts):
    content = [
        {"type": "text", "text": "یہ کیا ہے؟"},
        image(url_of(SMALL)),
        image(url_of(LARGE)),
        image("https://images.example.org/1.png"),
        image(url_of(LARGE)),
    ]
    question = read(content, Elsewhere(b"fetched"), num_parts, temperature=0.5)
    files = [SMALL, LARGE, b"fetched", LARGE]
    assert [image.data for image in question.images] == files
    assert [image.image_id for image in question.images] == [
        hashlib.sha256(file).hexdigest() for file in files
    ]
    assert question.images[2].param == "messages[0].content[3].image_url"
    (turn,) = question.conversation.turns
    assert (turn.text, turn.num_images) == ("یہ کیا ہے؟", 4)
    assert (question.language, question.sampling.temperature) == ("ur", 0.5)


def test_a_short_body_is_read_at_once_and_a_long_one_aside(monkeypatch):
    threads = []

    def noted(url, *_):
        threads.append(threading.current_thread().name)
        return b""

    monkeypatch.setattr("palo.serve.image_reader.read_data_url", noted)
    for file in (SMALL, LARGE):
        read([image(url_of(file))])
    assert threads[0] == threading.main_thread().name
    assert threads[1].startswith("palo-read")


def test_a_large_data_url_is_no_text():
    assert refused(url_of(LARGE), max_bytes=1 << 20) is APIErrorCode.CONTEXT_LENGTH_EXCEEDED
    assert refused([image(url_of(LARGE))], model=url_of(LARGE)) is APIErrorCode.MODEL_NOT_FOUND


def test_the_name_of_a_large_image_leads_to_none_of_another_request():
    read([image(url_of(LARGE))])
    code = refused([image("large-image:0"), {"type": "text", "text": "x"}])
    assert code is APIErrorCode.REMOTE_IMAGE_FORBIDDEN
    assert read("large-image:0").conversation.turns[0].text == "large-image:0"


def test_images_are_bounded_together_wherever_they_come_from():
    addresses = [image(f"https://images.example.org/{number}.png") for number in range(3)]
    assert len(read(addresses, Elsewhere(b"x" * 1000), max_bytes=3000).images) == 3
    assert (
        refused(addresses, Elsewhere(b"x" * 1001), max_bytes=3000) is APIErrorCode.IMAGE_TOO_LARGE
    )


def test_a_request_for_another_model_costs_no_image(monkeypatch):
    monkeypatch.setattr("palo.serve.image_reader.read_data_url", lambda *_: 1 // 0)
    assert refused([image(url_of(LARGE))], model="other") is APIErrorCode.MODEL_NOT_FOUND
