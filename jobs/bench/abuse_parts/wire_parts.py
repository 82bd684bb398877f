"""Parsers of what comes over the network or in a file, as functions of a text."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import orjson
from abuse_parts.cpu_cost import Parse

from palo.errors import PaloError

_MAX_CHARACTERS = 1 << 22


def refusing(call: Callable[[bytes], object]) -> Parse:
    """Returns a function of a text for one of bytes, without what it refuses on purpose.

    Args:
        call: Takes the text as UTF-8, whose lone surrogates are none.
    """
    from palo.api_errors import APIError

    def parse(text: str) -> object:
        try:
            return call(text.encode("utf-8", "surrogatepass"))
        except (PaloError, APIError, ValueError):
            return None

    return parse


def cookie_header() -> Parse:
    """Builds what reads the cookies of a visitor."""
    from starlette.datastructures import Headers

    from palo.webui.request import cookies_of

    return refusing(lambda data: cookies_of(Headers(raw=[(b"cookie", data)])))


def chat_request(*, is_body: bool) -> Callable[[], Parse]:
    """Returns a builder for what reads chat completions.

    Args:
        is_body: Whether the text is the whole body, or else the question in it.
    """

    def build() -> Parse:
        from palo.serve.protocol.chat_request import ProtocolBounds, read_request
        from palo.serve.protocol.conversation import read_conversation

        bounds = ProtocolBounds(max_text_characters=_MAX_CHARACTERS)

        def read(data: bytes) -> object:
            request = read_request(data if is_body else _asking(data), bounds)
            return read_conversation(request.messages, None, bounds.max_images)

        return refusing(read)

    return build


def _asking(question: bytes) -> bytes:
    message = {"role": "user", "content": question.decode("utf-8", "replace")}
    return orjson.dumps({"model": "m", "messages": [message]})


def data_url() -> Parse:
    """Builds what decodes the image of a request."""
    from palo.serve.image_reader import read_data_url

    return refusing(
        lambda data: read_data_url(
            "data:image/png;base64," + data.decode("utf-8", "replace"), _MAX_CHARACTERS, None
        )
    )


def row(*, is_whole: bool) -> Callable[[], Parse]:
    """Returns a builder for what parses a row of a corpus.

    Args:
        is_whole: Whether the text is the whole row, or else each of its turns.
    """

    def build() -> Parse:
        from palo.corpus.parse.worker import parse_row
        from palo.corpus.sources.rows import RawRow
        from palo.data.records import Origin

        origin = Origin(source="s", language="en", image_folder="images", languages=("en",))

        def parse(data: bytes) -> object:
            return parse_row(RawRow(0, data if is_whole else _row_of(data)), origin, 0)

        return refusing(parse)

    return build


def _row_of(data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    turns = [{"from": "human", "value": text}, {"from": "gpt", "value": text}]
    return orjson.dumps({"id": "1", "conversations": turns})


def file_in(name: str, read: Callable[[], Callable[[Path], object]]) -> Callable[[], Parse]:
    """Returns a builder for what reads a file.

    Args:
        name: Name of the file.
        read: Imports the reader.
    """

    def build() -> Parse:
        reader = read()
        path = Path(mkdtemp(prefix="palo-hostile-")) / name

        def parse(data: bytes) -> object:
            path.write_bytes(data)
            return reader(path)

        return refusing(parse)

    return build


def json_file() -> Callable[[Path], Any]:
    """Imports what reads JSON files: settings, manifests, configurations of models."""
    from palo.storage import read_json

    return read_json


def toml_file() -> Callable[[Path], Any]:
    """Imports what reads lists of sources and glossaries."""
    from palo.storage import read_toml

    return read_toml


def model_config() -> Callable[[Path], Any]:
    """Imports what looks at a model's configuration."""
    from palo.model.folder_guard import read_model_config

    return lambda path: read_model_config(path.parent)


def review_table() -> Callable[[Path], Any]:
    """Imports what takes back the tables of reviewers."""
    from palo.translate.review.offline.files import read_rows

    return read_rows


def servers_reply() -> Parse:
    """Builds what reads a whole chat completion of a server."""
    from palo.endpoint.replies import read_reply

    return refusing(read_reply)


def refusal() -> Parse:
    """Builds what learns from a refused request: whether to stop, to give up, or to ask anew."""
    from palo.endpoint.dialect import Dialect
    from palo.endpoint.refusals import kind_of, read_error, stop_of

    body = {"messages": [{"role": "user", "content": "?"}], "max_tokens": 4096, "temperature": 0}

    def learn(data: bytes) -> object:
        error = read_error(400, data)
        return stop_of(error), kind_of(error), Dialect().after(body, error)

    def both(text: str) -> object:
        data = text.encode("utf-8", "surrogatepass")
        return learn(data), learn(json.dumps({"error": {"message": text}}).encode())

    return both


def servers_stream() -> Parse:
    """Builds what reads the events of a stream."""
    from palo.client.answers import AnswerReader

    return refusing(lambda data: list(AnswerReader().feed(b"data: " + data + b"\n\n")))


def servers_error() -> Parse:
    """Builds what reads an error of a server."""
    from palo.client.errors import error_from_response

    return refusing(lambda data: error_from_response(400, {}, data))
