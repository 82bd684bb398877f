"""Converts messages to a conversation for the model, and detects the question's language."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from palo import languages
from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.chat_request import RequestMessage
from palo.text.language_of import LanguageFinder
from palo.text.messages import Conversation, Turn

# A question may be very long; later characters don't change the detected language.
_CHARACTERS = 2000
# Most turns that are used for detection.
_TURNS = 8
_INSTRUCTORS = ("system", "developer")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReference:
    """A reference to an image in a request.

    Attributes:
        url: Its URL.
        param: Path of the field that holds the URL.
    """

    url: str
    param: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatConversation:
    """A conversation to be answered.

    Attributes:
        conversation: Its turns.
        images: References to its images, in order.
        language: ISO 639-1 code of the question's language; None if it can't be detected.
    """

    conversation: Conversation
    images: tuple[ImageReference, ...]
    language: str | None


def read_conversation(
    messages: Sequence[RequestMessage],
    wanted: str | None,
    max_images: int,
    paths: Sequence[str] | None = None,
) -> ChatConversation:
    """Converts messages: instructions first, then turns of user and assistant.

    Consecutive messages of one role become one turn. The images of a turn come before its text, as
    in training.

    Args:
        messages: At least one message.
        wanted: ISO 639-1 code of the answer's language; None leaves it to the model. If the
            question isn't in this language, a hint in it is added to the question.
        max_images: Most images of all messages.
        paths: Path of each message in the request's body; None for those of a chat request.

    Raises:
        APIError: If the order of roles is wrong, or there are too many images.
    """
    paths = paths or [f"messages[{number}]" for number in range(len(messages))]
    images = tuple(_images(messages, paths))
    if len(images) > max_images:
        raise APIError(
            "too many images in one conversation",
            seen=len(images),
            fix=f"Send at most {max_images}.",
            param=paths[-1].partition("[")[0],
            code=APIErrorCode.TOO_MANY_IMAGES,
        )
    num_instructions = next(
        (n for n, message in enumerate(messages) if message.role not in _INSTRUCTORS), len(messages)
    )
    turns = _turns(messages, num_instructions, paths)
    language = detect_language([turn.text for turn in turns if turn.role == "user"])
    if wanted is not None and wanted != language:
        question = turns[-1]
        text = f"{question.text}\n{languages.get(wanted).answer_wish}".lstrip("\n")
        turns[-1] = Turn("user", text, question.num_images)
    system = "\n\n".join(message.text for message in messages[:num_instructions])
    conversation = Conversation(tuple(turns), system if num_instructions else None)
    return ChatConversation(conversation=conversation, images=images, language=language)


def _turns(messages: Sequence[RequestMessage], start: int, paths: Sequence[str]) -> list[Turn]:
    turns: list[Turn] = []
    numbered = list(enumerate(messages))[start:]
    for role, group in groupby(numbered, key=lambda pair: pair[1].role):
        number, *_ = found = list(group)
        if role in _INSTRUCTORS:
            raise _misplaced("instructions come before everything else", paths[number[0]])
        if role != ("user", "assistant")[len(turns) % 2]:
            raise _misplaced("a conversation begins with the user's message", paths[number[0]])
        text = "\n".join(message.text for _, message in found)
        turns.append(Turn(role, text, sum(len(message.images) for _, message in found)))
    if not turns or turns[-1].role != "user":
        raise _misplaced("the last message must be the user's", paths[-1])
    return turns


def _images(messages: Sequence[RequestMessage], paths: Sequence[str]) -> Iterator[ImageReference]:
    for path, message in zip(paths, messages, strict=True):
        if isinstance(message.content, str):
            continue
        for place, part in enumerate(message.content):
            if part.type != "image_url":
                continue
            param = f"{path}.content[{place}].image_url"
            if message.role != "user":
                raise APIError(
                    "only the user's messages bring images",
                    seen=message.role,
                    param=param,
                    code=APIErrorCode.INVALID_REQUEST,
                )
            yield ImageReference(url=part.image_url.url, param=param)


def _misplaced(fact: str, path: str) -> APIError:
    return APIError(fact, param=f"{path}.role", code=APIErrorCode.INVALID_REQUEST)


def detect_language(texts: Sequence[str]) -> str | None:
    """Detects the language of a user's last message.

    If it is too short, earlier messages are used too.

    Args:
        texts: The user's messages, oldest first.

    Returns:
        An ISO 639-1 code of `palo.languages`; None if it can't be detected, or is none of them.
    """
    finder, recent = _finder(languages.codes()), ""
    for text in reversed(texts[-_TURNS:]):
        recent = f"{text[:_CHARACTERS]}\n{recent}"[:_CHARACTERS]
        found = finder.detect(recent)
        if found is not None:
            return found
    return None


def load_language_detector() -> None:
    """Loads the language detector, which would delay the first question by a second."""
    detect_language(["What can be seen in the middle of this image?"])


@cache
def _finder(codes: tuple[str, ...]) -> LanguageFinder:
    return LanguageFinder([languages.get(code) for code in codes])
