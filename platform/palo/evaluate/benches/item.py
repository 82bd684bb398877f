"""One question of a bench."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchItem:
    """One question about one image, in one language.

    Attributes:
        question_id: Unique in its language.
        language: ISO 639-1 code.
        image: File of the image; a bench may be read and scored without its images.
        category: Group in the scores, such as conv, detail or complex.
        question: The question's text.
        references: One reference answer, all right answers, or captions.
        context: Captions of the image, for a judge.
        objects: Names of the objects in the image; None where they are unknown.
        yes_no: Whether it is a yes/no question, answered in any language and in any sentence; the
            reference is then the English word.
        answer_language: Language that answers should be in; None for the question's.
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
        """ISO 639-1 code of the language that an answer should be in."""
        return self.answer_language or self.language

    @property
    def key(self) -> str:
        """Language and id, unique within the bench."""
        return f"{self.language}/{self.question_id}"

    def content(self) -> list[object]:
        """Returns all of the question but its image's folder, as JSON values."""
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
