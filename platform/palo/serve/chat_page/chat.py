"""A conversation as the page holds it: immutable, so that a stop or a fault never leaves half."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from palo.api_errors import APIErrorCode
from palo.client import ImageContent, Message, assistant, user
from palo.webui.texts import PageTexts


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """What one side said.

    Attributes:
        role: Who.
        text: The words.
        image: File of the image that came with them.
        model: For an answer, the model.
        language: For an answer, the language that the server detected.
    """

    role: Literal["user", "assistant"]
    text: str
    image: Path | None = None
    model: str = ""
    language: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatBounds:
    """How long a conversation may become; each open page holds one or two of them in memory.

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
        """Returns why a talk with another question can't go on; None if it can.

        Args:
            asked: The talk; the question is its last part.
        """
        if asked.said and len(asked.said[-1].text) > self.max_question_characters:
            return APIErrorCode.BODY_TOO_LARGE
        num_questions = sum(said.role == "user" for said in asked.said)
        num_characters = sum(len(said.text) for said in asked.said)
        if num_questions > self.max_questions or num_characters > self.max_characters:
            return APIErrorCode.CONTEXT_LENGTH_EXCEEDED
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """Questions and answers.

    Attributes:
        said: In their order; the last one is a question while its answer is awaited or failed.
    """

    said: tuple[ChatMessage, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether its last question has no answer."""
        return bool(self.said) and self.said[-1].role == "user"

    def asked(self, text: str, image: Path | None) -> "Chat":
        """Returns the talk with another question; it takes the place of one without an answer."""
        kept = self.said[:-1] if self.is_open else self.said
        return Chat(said=(*kept, ChatMessage(role="user", text=text, image=image)))

    def answered(self, text: str, model: str, language: str | None) -> "Chat":
        """Returns the talk with an answer; without words, there is none."""
        if not text:
            return self
        answer = ChatMessage(role="assistant", text=text, model=model, language=language)
        return Chat(said=(*self.said, answer))

    def reopened(self) -> "Chat":
        """Returns the talk without its last answer."""
        return self if self.is_open else Chat(said=self.said[:-1])

    def edited(self, index: int, text: str) -> "Chat | None":
        """Returns the talk up to a question, with other words for it; None if it is no question.

        What a model said stays what it said: a browser may send any index.

        Args:
            index: Of the question's text among the shown messages.
            text: The new words.
        """
        position = self._position(index)
        if position is None or self.said[position].role != "user":
            return None
        question = replace(self.said[position], text=text)
        return Chat(said=(*self.said[:position], question))

    def beside(self, edited: "Chat") -> "Chat":
        """Returns the talk with the other model after an edit: as far as it went, its own answers.

        Args:
            edited: The talk in which a question was edited; the question is its last part.
        """
        *before, question = edited.said
        own = self.said[: len(before)]
        if [part.text for part in own[::2]] != [part.text for part in before[::2]]:
            return edited  # one model answered what the other didn't: go on from the same talk
        return Chat(said=(*own, question))

    def answer_at(self, index: int) -> int | None:
        """Returns which part of the talk a shown message is; None if it is no answer.

        Args:
            index: Of the message among the shown ones, as a browser sends it.
        """
        position = self._position(index)
        return position if position is not None and self.said[position].role != "user" else None

    def _position(self, index: int) -> int | None:
        positions = [
            position
            for position, said in enumerate(self.said)
            for _ in range(1 + (said.image is not None))
        ]
        return positions[index] if 0 <= index < len(positions) else None

    def messages(self) -> Iterator[Message]:
        """Yields the talk as a server takes it.

        Raises:
            ImageError: If a file is no image.
            StorageError: If it is gone.
        """
        for said in self.said:
            if said.role == "assistant":
                yield assistant(said.text)
            else:
                images = () if said.image is None else (ImageContent.read(said.image),)
                yield user(said.text, *images)

    def shown(self, words: PageTexts, coming: str | None = None) -> list[dict[str, Any]]:
        """Returns the talk as the page shows it: a message for each image and each text.

        Args:
            words: Texts of the page's language.
            coming: What has come of an answer; None if none is awaited.
        """
        shown: list[dict[str, Any]] = []
        for said in self.said:
            if said.image is not None:
                file = {"path": str(said.image), "alt_text": words["image"]}
                shown.append({"role": said.role, "content": file})
            shown.append({"role": said.role, "content": said.text})
        if coming is not None:
            shown.append({"role": "assistant", "content": coming or "…"})
        return shown

    def written(self, words: PageTexts) -> str:
        """Returns the talk as Markdown, for people to keep."""
        lines = []
        for said in self.said:
            who = words["you"] if said.role == "user" else said.model
            image = [f"[{words['image']}]"] if said.image is not None else []
            lines.append("\n\n".join([f"**{who}**", *image, said.text]))
        return "\n\n---\n\n".join(lines) + "\n"
