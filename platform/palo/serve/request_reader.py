"""Reads chat requests: bounded, and off the event loop if they are large.

All streams of the process share one event loop. A short body is parsed on it, since a thread would
cost more than it saves; a longer one in a thread, with the keys taking turns. No call in a thread
holds Python's lock for long: large images are kept from the parser, and are decoded in chunks.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import Sampling
from palo.security.fair_threads import FairThreads
from palo.security.http_limits import BodyBounds, content_length, require_few_values
from palo.serve.image_reader import ImageReader
from palo.serve.protocol.chat_request import (
    ChatRequest,
    ProtocolBounds,
    sampling_from,
)
from palo.serve.protocol.conversation import ChatConversation, ImageReference, read_conversation
from palo.serve.protocol.dialects import AskedRequest, Dialect, WriterFactory, read_chat
from palo.serve.protocol.generate import RequestImage
from palo.serve.protocol.large_images import SeparatedBody, separate_large_images
from palo.text.messages import Conversation

_SHORT_BYTES = 16 << 10
_NUM_THREADS = 2
_NO_MODEL_RETRY_AFTER_S = 60.0
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedRequest:
    """A parsed request.

    Attributes:
        body: The chat request that it stands for.
        writer: Makes the writer of its answer.
        conversation: The conversation, ending with the user's turn.
        images: Its images, in order.
        sampling: Sampling parameters.
        language: ISO 639-1 code of the question's language; None if it can't be detected.
    """

    body: ChatRequest
    writer: WriterFactory
    conversation: Conversation
    images: tuple[RequestImage, ...]
    sampling: Sampling
    language: str | None


class RequestReader:
    """Reads requests; to be used from one event loop.

    Args:
        models: Names of the models, which may change.
        bounds: Bounds of a request's parameters.
        bodies: Bounds of a request's body.
        images: Reader of data URLs and remote images.
        train_command: How to get a model, for whoever asks while there is none.
    """

    def __init__(
        self,
        models: Collection[str],
        *,
        bounds: ProtocolBounds,
        bodies: BodyBounds,
        images: ImageReader,
        train_command: str = "",
    ) -> None:
        self._models = models
        self._train_command = train_command
        self._bounds = bounds
        self._bodies = bodies
        self._images = images
        self._threads = FairThreads(_NUM_THREADS, "palo-read")

    async def read(
        self, request: Request, owner: str, dialect: Dialect = read_chat
    ) -> ParsedRequest:
        """Reads a request.

        Args:
            request: The request; its body hasn't been read yet.
            owner: Id of its key.
            dialect: Reads its body in the form of its API.

        Raises:
            APIError: If it is invalid, or beyond a bound.
        """
        _require_json(request)
        data = await _read_body(request, self._bodies.max_bytes)
        parse = partial(self._parse, data, dialect)
        if len(data) <= _SHORT_BYTES:
            asked, chat, embedded = parse()
        else:
            asked, chat, embedded = await self._threads.run(owner, parse)
        return ParsedRequest(
            body=asked.chat,
            writer=asked.writer,
            conversation=chat.conversation,
            images=await self._with_fetched(chat.images, embedded, owner),
            sampling=sampling_from(asked.chat, self._bounds),
            language=chat.language,
        )

    def _parse(
        self, data: bytes | bytearray, dialect: Dialect
    ) -> tuple[AskedRequest, ChatConversation, dict[str, RequestImage]]:
        """Parses a body; embedded images are returned by their parameter's path."""
        separated = separate_large_images(data, self._bounds.max_text_bytes)
        require_few_values(separated.text, self._bodies)
        asked = dialect(separated.text, self._bounds)
        body = asked.chat
        self._require_model(body.model)
        most = self._bounds.max_images
        chat = read_conversation(body.messages, body.language, most, asked.paths)
        _require_images_alone(separated, chat.images)
        embedded = {}
        for reference in chat.images:
            url = separated.files.get(reference.url, reference.url)
            if not isinstance(url, str) or not self._images.is_remote(url):
                file = self._images.embedded(url, reference.param)
                embedded[reference.param] = _image(file, reference)
        return asked, chat, embedded

    async def _with_fetched(
        self, references: Sequence[ImageReference], embedded: dict[str, RequestImage], owner: str
    ) -> tuple[RequestImage, ...]:
        """Returns all images, fetching remote ones; together no more than a body may hold."""
        found: list[RequestImage] = []
        num_bytes = 0
        for reference in references:
            image = embedded.get(reference.param)
            if image is None:
                data = await self._images.read(reference.url, reference.param)
                image = await self._threads.run(owner, partial(_image, data, reference))
            found.append(image)
            num_bytes += len(image.data)
            if num_bytes > self._bodies.max_bytes:
                raise APIError(
                    "the images of the request are too large together",
                    fix=f"Send at most {self._bodies.max_bytes} bytes of them.",
                    param=reference.param,
                    code=APIErrorCode.IMAGE_TOO_LARGE,
                )
        return tuple(found)

    def _require_model(self, model: str) -> None:
        if not self._models:
            raise APIError(
                "no model is here yet",
                fix=f"Train one: {self._train_command}. It is served when it is finished.",
                param="model",
                code=APIErrorCode.NO_MODEL,
                retry_after_s=_NO_MODEL_RETRY_AFTER_S,
            )
        if model not in self._models:
            raise APIError(
                "there is no such model here",
                seen=model[:80],
                fix=f"There are {', '.join(self._models)}.",
                param="model",
                code=APIErrorCode.MODEL_NOT_FOUND,
            )


def _require_json(request: Request) -> None:
    """Rejects a body that says that it is something else; clients may leave it unsaid."""
    media_type = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if media_type not in ("", _JSON):
        raise APIError(
            "a request is JSON",
            seen=media_type[:80],
            fix=f"Send it with Content-Type: {_JSON}.",
            code=APIErrorCode.UNSUPPORTED_MEDIA_TYPE,
        )
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise APIError(
            "a compressed body isn't unpacked here",
            seen=encoding[:80],
            fix="Send it without Content-Encoding.",
            code=APIErrorCode.UNSUPPORTED_MEDIA_TYPE,
        )


async def _read_body(request: Request, max_bytes: int) -> bytes | bytearray:
    """Returns a body, writing each part to a preallocated buffer.

    Joining parts at the end, or growing the buffer for each, would copy a large body in one go, and
    block the event loop meanwhile.
    """
    first, whole, size = b"", bytearray(), 0
    declared = min(content_length(request.scope), max_bytes)
    async for part in request.stream():  # the last one is empty
        if not size:
            first = part
        elif part:
            if size + len(part) > len(whole):
                # The system maps memory only once it is written to, whatever a client declares.
                whole = _larger(whole or first, max(declared, 2 * (size + len(part))))
            whole[size : size + len(part)] = part
        size += len(part)
    if not whole:
        return first
    del whole[size:]
    return whole


def _larger(data: bytes | bytearray, size: int) -> bytearray:
    grown = bytearray(size)
    grown[: len(data)] = data
    return grown


def _image(data: bytes, reference: ImageReference) -> RequestImage:
    return RequestImage(image_id=hashlib.sha256(data).hexdigest(), data=data, param=reference.param)


def _require_images_alone(separated: SeparatedBody, references: Sequence[ImageReference]) -> None:
    """Rejects a large data: URL outside of an image."""
    if separated.files.keys() - {reference.url for reference in references}:
        raise APIError(
            "a text of the request is too long",
            fix="Send a data: URL as the image_url of an image.",
            code=APIErrorCode.INVALID_REQUEST,
        )
