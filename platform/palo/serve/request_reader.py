"""From the bytes of a request to a question for a model: bounded, and off the event loop if large.

All streams of the process share one event loop. A short body is read on it, as a thread would cost
more than it saves; a longer one in a thread, each key's next one in turn. Nothing that a thread
calls keeps Python's lock for long: large images meet no parser, and are decoded piece by piece.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import Sampling
from palo.security.fair_threads import FairThreads
from palo.security.http_limits import BodyBounds, declared_bytes, require_few_values
from palo.serve.image_reader import ImageReader
from palo.serve.protocol.chat_request import ChatRequest, ProtocolBounds, read_request, sampling_of
from palo.serve.protocol.conversation import ChatConversation, ImagePlace, read_conversation
from palo.serve.protocol.generate import RequestImage
from palo.serve.protocol.large_images import Separated, separate
from palo.text.messages import Conversation

_SHORT_BYTES = 16 << 10
_NUM_THREADS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedRequest:
    """A request that was read.

    Attributes:
        asked: As its client wrote it.
        conversation: Ends with the user's turn.
        images: Its images in the order of their places.
        sampling: How answers are drawn.
        language: ISO 639-1 code of the language of the question; None if that can't be told.
    """

    asked: ChatRequest
    conversation: Conversation
    images: tuple[RequestImage, ...]
    sampling: Sampling
    language: str | None


class RequestReader:
    """Reads requests; to be used from one event loop.

    Args:
        models: Names of the models.
        bounds: How much one request may ask for.
        bodies: How large bodies may be, and of how many values.
        images: Gets images from where requests say that they are.
    """

    def __init__(
        self,
        models: Sequence[str],
        *,
        bounds: ProtocolBounds,
        bodies: BodyBounds,
        images: ImageReader,
    ) -> None:
        self._models = tuple(models)
        self._bounds = bounds
        self._bodies = bodies
        self._images = images
        self._threads = FairThreads(_NUM_THREADS, "palo-intake")

    async def read(self, request: Request, owner: str) -> ParsedRequest:
        """Reads a request.

        Args:
            request: The request; its body hasn't been read yet.
            owner: Whose it is.

        Raises:
            Refusal: If it isn't one, or asks for too much.
        """
        body = await _body_of(request, self._bodies.max_bytes)
        work = partial(self._read, body)
        if len(body) <= _SHORT_BYTES:
            asked, dialogue, sent = work()
        else:
            asked, dialogue, sent = await self._threads.run(owner, work)
        return ParsedRequest(
            asked=asked,
            conversation=dialogue.conversation,
            images=await self._with_fetched(dialogue.images, sent, owner),
            sampling=sampling_of(asked, self._bounds),
            language=dialogue.language,
        )

    def _read(
        self, body: bytes | bytearray
    ) -> tuple[ChatRequest, ChatConversation, dict[str, RequestImage]]:
        """Does all that needs nobody else: returns images that came along by their places."""
        separated = separate(body, self._bounds.max_text_bytes)
        require_few_values(separated.text, self._bodies)
        asked = read_request(separated.text, self._bounds)
        self._require_model(asked.model)
        dialogue = read_conversation(asked.messages, asked.language, self._bounds.max_images)
        _require_images_alone(separated, dialogue.images)
        sent = {}
        for place in dialogue.images:
            url = separated.files.get(place.url, place.url)
            if not isinstance(url, str) or not self._images.is_remote(url):
                sent[place.param] = _image(self._images.embedded(url, place.param), place)
        return asked, dialogue, sent

    async def _with_fetched(
        self, places: Sequence[ImagePlace], sent: dict[str, RequestImage], owner: str
    ) -> tuple[RequestImage, ...]:
        """Returns all images: those of other servers are fetched, no more than a body may hold."""
        found: list[RequestImage] = []
        num_bytes = 0
        for place in places:
            image = sent.get(place.param)
            if image is None:
                data = await self._images.read(place.url, place.param)
                image = await self._threads.run(owner, partial(_image, data, place))
            found.append(image)
            num_bytes += len(image.data)
            if num_bytes > self._bodies.max_bytes:
                raise APIError(
                    "the images of the request are too large together",
                    fix=f"Send at most {self._bodies.max_bytes} bytes of them.",
                    param=place.param,
                    code=APIErrorCode.IMAGE_TOO_LARGE,
                )
        return tuple(found)

    def _require_model(self, model: str) -> None:
        if model not in self._models:
            raise APIError(
                "there is no such model here",
                seen=model[:80],
                fix=f"There are {', '.join(self._models)}.",
                param="model",
                code=APIErrorCode.MODEL_NOT_FOUND,
            )


async def _body_of(request: Request, max_bytes: int) -> bytes | bytearray:
    """Returns a body, each part put in its place as it comes.

    Joining them at the end, or making room for each, copies a large body in one go again and again,
    and everybody else waits for that.
    """
    first, whole, size = b"", bytearray(), 0
    declared = min(declared_bytes(request.scope), max_bytes)
    async for part in request.stream():  # the last one is empty
        if not size:
            first = part
        elif part:
            if size + len(part) > len(whole):
                # The system gives memory only for what is written to, whatever a client declares.
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


def _image(data: bytes, place: ImagePlace) -> RequestImage:
    return RequestImage(image_id=hashlib.sha256(data).hexdigest(), data=data, param=place.param)


def _require_images_alone(separated: Separated, places: Sequence[ImagePlace]) -> None:
    """Refuses a large data: URL that stands where no image does."""
    if separated.files.keys() - {place.url for place in places}:
        raise APIError(
            "a text of the request is too long",
            fix="Send a data: URL as the image_url of an image.",
            param="messages",
            code=APIErrorCode.INVALID_REQUEST,
        )
