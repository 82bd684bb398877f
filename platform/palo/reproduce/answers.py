"""What the endpoint answered to a run's questions: `reproduce/answers.json`."""

from dataclasses import dataclass
from pathlib import Path

from palo import config, storage
from palo.reproduce.record import FOLDER


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedQuestion:
    """A question with an image.

    Attributes:
        language: ISO 639-1 code of the answer's language; empty leaves it to the model.
        question: Its text.
        image: The image file.
        right_answer: The right answer; empty if none is known.
    """

    language: str
    question: str
    image: Path
    right_answer: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenAnswer:
    """An answer of the endpoint.

    Attributes:
        asked: The question.
        answer: The answer.
        model: Name of the model that gave it.
        request_id: The endpoint's id of the request, which its log has.
        is_right: Whether it matches the right answer exactly; None if none is known.
        prompt_tokens: Tokens of the question, image included; None if the endpoint didn't say.
        completion_tokens: Tokens of the answer; None if the endpoint didn't say.
    """

    asked: AskedQuestion
    answer: str
    model: str
    request_id: str
    is_right: bool | None
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenAnswers:
    """All answers of a run's endpoint.

    Attributes:
        endpoint: Its address.
        lineage_id: The id of the served model's lineage.
        answers: The answers.
    """

    endpoint: str
    lineage_id: str
    answers: tuple[GivenAnswer, ...]


def answers_file(run: Path) -> Path:
    """Returns the file of the answers.

    Args:
        run: The run folder.
    """
    return run / FOLDER / "answers.json"


def read_answers(run: Path) -> GivenAnswers | None:
    """Reads the answers of a run; None if it has none yet.

    Args:
        run: The run folder.

    Raises:
        ConfigError: If the file is damaged.
        StorageError: If it can't be read.
    """
    path = answers_file(run)
    return config.from_dict(GivenAnswers, storage.read_json(path)) if path.is_file() else None
