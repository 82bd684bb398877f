"""A chat as the page holds it: immutable, so that no stop or error leaves half of a message."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from palo.api_errors import APIErrorCode
from palo.client import ImageContent, Message, assistant, user
from palo.webui.texts import PageTexts


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """One message of a chat.

    Attributes:
        role: Its author.
        text: Its text.
        image: File of its image.
        model: For an answer, the model.
        language: For an answer, the language that the server detected.
        is_unproven: Whether a browser alone vouches for it; it can't be rated then.
        is_image_gone: Whether its image isn't kept any longer.
    """

    role: Literal["user", "assistant"]
    text: str
    image: Path | None = None
    model: str = ""
    language: str | None = None
    is_unproven: bool = False
    is_image_gone: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatBounds:
    """Bounds of a chat's length; each open page holds one or two chats in memory.

    Attributes:
        max_question_characters: Longest question.
        max_questions: Most questions.
        max_characters: Most characters of all questions and answers.
    """

    max_question_characters: int = 20_000
    max_questions: int = 200
    max_characters: int = 100_000

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("max_question_characters", "max_questions", "max_characters"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"

    def problem(self, asked: "Chat") -> APIErrorCode | None:
        """Returns why a question can't be asked; None if it can.

        Args:
            asked: The chat; the question is its last message.
        """
        if asked.messages and len(asked.messages[-1].text) > self.max_question_characters:
            return APIErrorCode.BODY_TOO_LARGE
        num_questions = sum(message.role == "user" for message in asked.messages)
        num_characters = sum(len(message.text) for message in asked.messages)
        if num_questions > self.max_questions or num_characters > self.max_characters:
            return APIErrorCode.CONTEXT_LENGTH_EXCEEDED
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """A chat: questions and answers.

    Attributes:
        messages: In their order; the last one is a question while its answer is awaited or failed.
    """

    messages: tuple[ChatMessage, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether its last question has no answer."""
        return bool(self.messages) and self.messages[-1].role == "user"

    def with_question(self, text: str, image: Path | None) -> "Chat":
        """Returns the chat with another question, which replaces one without an answer.

        Args:
            text: The question.
            image: File of its image; None without one.
        """
        kept = self.messages[:-1] if self.is_open else self.messages
        return Chat(messages=(*kept, ChatMessage(role="user", text=text, image=image)))

    def with_answer(self, text: str, model: str, language: str | None) -> "Chat":
        """Returns the chat with an answer; an empty one is left out.

        Args:
            text: The answer.
            model: Name of the model.
            language: ISO code of the language that the server detected; None if unknown.
        """
        if not text:
            return self
        answer = ChatMessage(role="assistant", text=text, model=model, language=language)
        return Chat(messages=(*self.messages, answer))

    def without_answer(self) -> "Chat":
        """Returns the chat without its last answer."""
        return self if self.is_open else Chat(messages=self.messages[:-1])

    def edited(self, position: int, text: str) -> "Chat | None":
        """Returns the chat up to a question, with another text for it; None if it is no question.

        Answers of models can't be edited: a browser may send any position.

        Args:
            position: Position of the question.
            text: The new text.
        """
        if not 0 <= position < len(self.messages) or self.messages[position].role != "user":
            return None
        question = replace(self.messages[position], text=text)
        return Chat(messages=(*self.messages[:position], question))

    def with_edit_of(self, edited: "Chat") -> "Chat":
        """Returns this chat with a question that was edited in the chat with the other model.

        Args:
            edited: The other chat; the question is its last message.
        """
        *before, question = edited.messages
        own = self.messages[: len(before)]
        if [part.text for part in own[::2]] != [part.text for part in before[::2]]:
            return edited  # only one model answered: both continue from the same chat
        return Chat(messages=(*own, question))

    def is_rateable(self, position: int) -> bool:
        """Tells whether a model has said here what stands at a position.

        Args:
            position: The position, as a browser sends it.
        """
        if not 0 <= position < len(self.messages):
            return False
        message = self.messages[position]
        return message.role == "assistant" and not message.is_unproven

    def request_messages(self) -> Iterator[Message]:
        """Yields the messages of a request to a server.

        Raises:
            ImageError: If a file is no image.
            StorageError: If it is gone.
        """
        for message in self.messages:
            if message.role == "assistant":
                yield assistant(message.text)
            else:
                images = () if message.image is None else (ImageContent.read(message.image),)
                yield user(message.text, *images)

    def to_markdown(self, texts: PageTexts) -> str:
        """Returns the chat as Markdown, for people to keep.

        Args:
            texts: Texts of the page's language.
        """
        lines = []
        for message in self.messages:
            author = texts["you"] if message.role == "user" else message.model
            image = [f"[{texts['image']}]"] if message.image is not None else []
            lines.append("\n\n".join([f"**{author}**", *image, message.text]))
        return "\n\n---\n\n".join(lines) + "\n"
