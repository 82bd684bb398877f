"""A chat as HTML, in the page's language."""

import functools
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from palo import languages, storage
from palo.errors import PaloError
from palo.html.page import Templates
from palo.images.image_folder import thumbnail_uri
from palo.serve.chat_page.act import Side
from palo.serve.chat_page.chat import Chat, ChatMessage
from palo.serve.chat_page.examples import PageExample
from palo.serve.chat_page.settings import PageSettings
from palo.webui.markdown import markdown_html, plain_html
from palo.webui.texts import PageTexts, page_texts

TEMPLATES = Templates(Path(__file__).parent / "templates")
"""The templates of the page."""

_LONGEST_SIDE = 360
_MAX_THUMBNAILS = 256
_LENGTH = 256


def render_head(code: str) -> Markup:
    """Returns the top of the page.

    Args:
        code: ISO code of the language that it is in until the script puts it into another.
    """
    return TEMPLATES.render("head.html", texts=page_texts(code))


def render_composer(settings: PageSettings, code: str) -> Markup:
    """Returns the field for questions, and the settings.

    Args:
        settings: Settings of the page.
        code: ISO code of the language that it is in until the script puts it into another.
    """
    return TEMPLATES.render(
        "composer.html",
        texts=page_texts(code),
        login=settings.login,
        max_length=settings.max_length,
        length=min(_LENGTH, settings.max_length),
    )


class ChatView:
    """Renders chats.

    Args:
        examples: Examples to click on in an empty chat.
    """

    def __init__(self, examples: Sequence[PageExample]) -> None:
        self._examples = examples

    def log(self, chat: Chat, side: Side, texts: PageTexts, *, is_refused: bool = False) -> Markup:
        """Returns all messages of a chat; of an empty one, the examples.

        Args:
            chat: The chat.
            side: Which of the two chats it is.
            texts: Texts of the page's language.
            is_refused: Whether the last question was refused, so that its field gets it back.
        """
        return TEMPLATES.render(
            "log.html",
            texts=texts,
            side=side,
            fresh=secrets.token_hex(8),
            is_refused=is_refused,
            is_open=chat.is_open,
            messages=list(self._shown(chat, texts)),
            examples=[
                (thumbnail(example.image), example.question(texts.language.code))
                for example in self._examples
            ],
        )

    def coming(
        self, text: str, model: str, language: str | None, texts: PageTexts, speed: str
    ) -> Markup:
        """Returns an answer that is still coming.

        Args:
            text: Its text so far.
            model: Name of the model.
            language: ISO code of the language that the server detected.
            texts: Texts of the page's language.
            speed: The line about its speed.
        """
        body = markdown_html(text) if text else None
        return TEMPLATES.render(
            "coming.html", texts=texts, body=body, model=model, lang=_tag(language), speed=speed
        )

    def speed(self, line: str) -> Markup:
        """Returns the line about an answer's speed; "" without one.

        Args:
            line: The line.
        """
        return Markup('<p class="speed">{}</p>').format(line) if line else Markup()

    def _shown(self, chat: Chat, texts: PageTexts) -> Iterator[dict[str, object]]:
        for position, message in enumerate(chat.messages):
            is_answer = message.role == "assistant"
            image = _image_of(message)
            yield {
                "role": message.role,
                "author": (message.model or texts["answer"]) if is_answer else texts["you"],
                "body": markdown_html(message.text) if is_answer else plain_html(message.text),
                "source": message.text,
                "image": image,
                "is_image_gone": image is None and (message.is_image_gone or message.image),
                "lang": _tag(message.language or _answered_in(chat, position)),
                "is_last": position == len(chat.messages) - 1,
                "is_rateable": chat.is_rateable(position),
            }


def thumbnail(path: Path) -> str:
    """Returns an image for the page, as a data: URI.

    Args:
        path: Its file.

    Raises:
        ImageError: If it is no image that can be decoded.
        StorageError: If it is gone.
    """
    with storage.wrap_os_errors("read", path):
        changed = path.stat().st_mtime_ns
    return _thumbnail(path, changed)


@functools.lru_cache(_MAX_THUMBNAILS)
def _thumbnail(path: Path, _changed: int) -> str:
    return thumbnail_uri(storage.read_bytes(path), _LONGEST_SIDE)


def _image_of(message: ChatMessage) -> str | None:
    """Returns a message's image; None without one, or if it is gone, which the page then says."""
    if message.image is None:
        return None
    try:
        return thumbnail(message.image)
    except PaloError:
        return None


def _answered_in(chat: Chat, position: int) -> str | None:
    """Returns the language of the answer to a question: the server detected it in the question."""
    following: tuple[ChatMessage, ...] = chat.messages[position + 1 : position + 2]
    return following[0].language if following else None


def _tag(code: str | None) -> str:
    return code if code is not None and languages.known(code) else ""
