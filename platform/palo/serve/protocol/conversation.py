"""Which language a question is in, however short it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from palo import languages
from palo.api_errors import APIError, APIErrorCode
from palo.serve.protocol.chat_request import RequestMessage
from palo.text.language_of import LanguageFinder, letters_by_script
from palo.text.messages import Conversation, Turn

# Nothing after this many characters changes the answer, and a question may be very long.
_CHARACTERS = 2000
# Words of so many turns are enough too.
_TURNS = 8
_INSTRUCTORS = ("system", "developer")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReference:
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
    images: tuple[ImageReference, ...]
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
        APIError: If they are in no such order, or have too many images.
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


def _images(messages: Sequence[RequestMessage]) -> Iterator[ImageReference]:
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
            yield ImageReference(url=part.image_url.url, param=param)


def _misplaced(fact: str, number: int) -> APIError:
    return APIError(fact, param=f"messages[{number}].role", code=APIErrorCode.INVALID_REQUEST)


def language_of(texts: Sequence[str]) -> str | None:
    """Returns the language of a user's last words.

    If these are too short to tell, those before them are taken into account, and at last the
    script alone, if only one language is written in it.

    Args:
        texts: What the user said, oldest first.

    Returns:
        An ISO 639-1 code of `palo.languages`; None if it can't be told, or is none of them.
    """
    said = ""
    for text in reversed(texts[-_TURNS:]):
        said = f"{text[:_CHARACTERS]}\n{said}"[:_CHARACTERS]
        found = _finder(languages.codes()).find(said, languages.codes()[0])
        if languages.known(found):
            return found
    return _by_script(texts[-1][:_CHARACTERS]) if texts else None


def load() -> None:
    """Loads what languages are told apart by; the first question would have to wait a second."""
    language_of(["What can be seen in the middle of this image?"])


def _by_script(text: str) -> str | None:
    """Returns the only language that writes the letters of a text, told by their script."""
    letters = letters_by_script(text)
    if letters.get("Kana"):
        letters = {"Jpan": sum(letters.values())}
    if not letters:
        return None
    script = max(letters, key=lambda name: letters[name])
    written = [each for each in languages.every() if _letters_of(each.script) == script]
    own = [each for each in written if any(letter in text for letter in each.own_letters)]
    plain = [each for each in written if not each.own_letters]
    left = own or plain
    return left[0].code if len(left) == 1 else None


def _letters_of(script: str) -> str:
    return "Hani" if script in ("Hans", "Hant") else script


@cache
def _finder(codes: tuple[str, ...]) -> LanguageFinder:
    return LanguageFinder([languages.get(code) for code in codes])
