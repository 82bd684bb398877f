"""A conversation as the page holds it: immutable, so that a stop or a fault never leaves half."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from palo.serve.client import Message, Picture, assistant, user
from palo.serve.page.words import Words


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What one side said.

    Attributes:
        role: Who.
        text: The words.
        picture: File of the picture that came with them.
        model: For an answer, the model.
        language: For an answer, the language that the server detected.
    """

    role: Literal["user", "assistant"]
    text: str
    picture: Path | None = None
    model: str = ""
    language: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Talk:
    """Questions and answers.

    Attributes:
        said: In their order; the last one is a question while its answer is awaited or failed.
    """

    said: tuple[Said, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether its last question has no answer."""
        return bool(self.said) and self.said[-1].role == "user"

    def asked(self, text: str, picture: Path | None) -> "Talk":
        """Returns the talk with another question; it takes the place of one without an answer."""
        kept = self.said[:-1] if self.is_open else self.said
        return Talk(said=(*kept, Said(role="user", text=text, picture=picture)))

    def answered(self, text: str, model: str, language: str | None) -> "Talk":
        """Returns the talk with an answer; without words, there is none."""
        if not text:
            return self
        answer = Said(role="assistant", text=text, model=model, language=language)
        return Talk(said=(*self.said, answer))

    def reopened(self) -> "Talk":
        """Returns the talk without its last answer."""
        return self if self.is_open else Talk(said=self.said[:-1])

    def edited(self, index: int, text: str) -> "Talk":
        """Returns the talk up to a question, with other words for it.

        Args:
            index: Of the question's text among the shown messages.
            text: The new words.
        """
        position = self.position(index)
        question = replace(self.said[position], text=text)
        return Talk(said=(*self.said[:position], question))

    def beside(self, edited: "Talk") -> "Talk":
        """Returns the talk with the other model after an edit: as far as it went, its own answers.

        Args:
            edited: The talk in which a question was edited; the question is its last part.
        """
        *before, question = edited.said
        own = self.said[: len(before)]
        if [part.text for part in own[::2]] != [part.text for part in before[::2]]:
            return edited  # one model answered what the other didn't: go on from the same talk
        return Talk(said=(*own, question))

    def position(self, index: int) -> int:
        """Returns which part of the talk a shown message belongs to."""
        positions = [
            position
            for position, said in enumerate(self.said)
            for _ in range(1 + (said.picture is not None))
        ]
        return positions[index]

    def messages(self) -> Iterator[Message]:
        """Yields the talk as a server takes it.

        Raises:
            ImageError: If a file is no picture.
            StorageError: If it is gone.
        """
        for said in self.said:
            if said.role == "assistant":
                yield assistant(said.text)
            else:
                pictures = () if said.picture is None else (Picture.read(said.picture),)
                yield user(said.text, *pictures)

    def shown(self, words: Words, coming: str | None = None) -> list[dict[str, Any]]:
        """Returns the talk as the page shows it: a message for each picture and each text.

        Args:
            words: Texts of the page's language.
            coming: What has come of an answer; None if none is awaited.
        """
        shown: list[dict[str, Any]] = []
        for said in self.said:
            if said.picture is not None:
                file = {"path": str(said.picture), "alt_text": words["picture"]}
                shown.append({"role": said.role, "content": file})
            shown.append({"role": said.role, "content": said.text})
        if coming is not None:
            shown.append({"role": "assistant", "content": coming or "…"})
        return shown

    def written(self, words: Words) -> str:
        """Returns the talk as Markdown, for people to keep."""
        lines = []
        for said in self.said:
            who = words["you"] if said.role == "user" else said.model
            picture = [f"[{words['picture']}]"] if said.picture is not None else []
            lines.append("\n\n".join([f"**{who}**", *picture, said.text]))
        return "\n\n---\n\n".join(lines) + "\n"
