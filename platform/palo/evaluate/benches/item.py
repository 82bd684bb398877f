"""One question of a bench."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchItem:
    """One question about one image, in one language.

    Attributes:
        question_id: Its name, unique in its language.
        language: ISO 639-1 code.
        image: File of the image; a bench may be read and scored without its images.
        category: Group of its own in the scores, such as conv, detail or complex.
        question: The words of the question.
        references: What a good answer says: one reference answer, all right answers, or captions.
        context: Captions that tell a judge what the image shows.
        objects: Names of what is in the image, where that is known; None where it isn't.
        yes_no: Whether the right answer is yes or no, said in any language and with other words
            around it; the reference is then the English word.
        answer_language: Language that answers should be in, where it isn't the question's.
    """

    question_id: str
    language: str
    image: Path
    category: str
    question: str
    references: tuple[str, ...]
    context: tuple[str, ...] = ()
    objects: tuple[str, ...] | None = None
    answer_language: str | None = None
    yes_no: bool = False

    @property
    def expected_language(self) -> str:
        """The language that an answer should be in."""
        return self.answer_language or self.language

    @property
    def key(self) -> str:
        """Names the question within its bench: language and id."""
        return f"{self.language}/{self.question_id}"

    def content(self) -> list[object]:
        """Returns all that the question is made of, but where its image lies, as JSON values."""
        return [
            self.language,
            self.question_id,
            self.image.name,
            self.category,
            self.question,
            list(self.references),
            list(self.context),
            None if self.objects is None else list(self.objects),
            self.answer_language,
        ]


def content_hash(values: object) -> str:
    """Returns the SHA-256 of JSON values as 64 hexadecimal digits.

    Args:
        values: JSON values; equal ones have equal hashes whatever the order of their keys.
    """
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
