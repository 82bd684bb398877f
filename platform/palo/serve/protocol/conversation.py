"""From messages to a conversation as the models take it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from palo import languages
from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.chat_request import RequestMessage
from palo.serve.protocol.question_language import language_of
from palo.text.messages import Conversation, Turn

_INSTRUCTORS = ("system", "developer")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlace:
    """An image of a request.

    Attributes:
        url: Where it is.
        param: Where that stands in the request.
    """

    url: str
    param: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatConversation:
    """A conversation that waits for an answer.

    Attributes:
        conversation: Its turns.
        images: Their images, in the order of their places.
        language: ISO 639-1 code of the language of the question; None if that can't be told.
    """

    conversation: Conversation
    images: tuple[ImagePlace, ...]
    language: str | None


def read_conversation(
    messages: Sequence[RequestMessage], wanted: str | None, max_images: int
) -> ChatConversation:
    """Reads messages: instructions first, then user and assistant by turns.

    Messages of one role in a row become one turn. The images of a turn come before its words, as
    the models were trained.

    Args:
        messages: At least one.
        wanted: Language that the answer should be in; None leaves that to the model. Unless the
            question is in it already, the question ends with that wish in that language.
        max_images: Most images of all messages.

    Raises:
        Refusal: If they are in no such order, or have too many images.
    """
    images = tuple(_images(messages))
    if len(images) > max_images:
        raise APIError(
            "too many images in one conversation",
            seen=len(images),
            fix=f"Send at most {max_images}.",
            param="messages",
            code=APIErrorCode.TOO_MANY_IMAGES,
        )
    num_instructions = next(
        (n for n, message in enumerate(messages) if message.role not in _INSTRUCTORS), len(messages)
    )
    turns = _turns(messages, num_instructions)
    language = language_of([turn.text for turn in turns if turn.role == "user"])
    if wanted is not None and wanted != language:
        question = turns[-1]
        text = f"{question.text}\n{languages.get(wanted).answer_wish}".lstrip("\n")
        turns[-1] = Turn("user", text, question.num_images)
    system = "\n\n".join(message.text for message in messages[:num_instructions])
    conversation = Conversation(tuple(turns), system if num_instructions else None)
    return ChatConversation(conversation=conversation, images=images, language=language)


def _turns(messages: Sequence[RequestMessage], start: int) -> list[Turn]:
    turns: list[Turn] = []
    numbered = list(enumerate(messages))[start:]
    for role, group in groupby(numbered, key=lambda pair: pair[1].role):
        number, *_ = found = list(group)
        if role in _INSTRUCTORS:
            raise _misplaced("instructions come before everything else", number[0])
        if role != ("user", "assistant")[len(turns) % 2]:
            raise _misplaced("a conversation begins with the user's message", number[0])
        text = "\n".join(message.text for _, message in found)
        turns.append(Turn(role, text, sum(len(message.images) for _, message in found)))
    if not turns or turns[-1].role != "user":
        raise _misplaced("the last message must be the user's", len(messages) - 1)
    return turns


def _images(messages: Sequence[RequestMessage]) -> Iterator[ImagePlace]:
    for number, message in enumerate(messages):
        if isinstance(message.content, str):
            continue
        for place, part in enumerate(message.content):
            if part.type != "image_url":
                continue
            param = f"messages[{number}].content[{place}].image_url"
            if message.role != "user":
                raise APIError(
                    "only the user's messages bring images",
                    seen=message.role,
                    param=param,
                    code=APIErrorCode.INVALID_REQUEST,
                )
            yield ImagePlace(url=part.image_url.url, param=param)


def _misplaced(fact: str, number: int) -> APIError:
    return APIError(fact, param=f"messages[{number}].role", code=APIErrorCode.INVALID_REQUEST)
