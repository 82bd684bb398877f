"""Who answered, and how: what an answer depends on beside its question."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from palo import storage
from palo.evaluate.benches.item import BenchItem, content_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Answerer:
    """A model and its settings.

    Attributes:
        name: What reports call it.
        identity: All that its answers depend on, as JSON values: the hash of a checkpoint or the
            name on a server, and the settings of decoding.
    """

    name: str
    identity: Sequence[object]


def answer_keys(items: Sequence[BenchItem], answerer: Answerer) -> dict[str, str]:
    """Returns what names the answer to each question: its words, its image's bytes, the model.

    Args:
        items: The questions.
        answerer: Who answers.

    Returns:
        By the questions' keys, in their order.

    Raises:
        StorageError: If an image can't be read.
    """
    hashes: dict[Path, str] = {}
    for item in items:
        if item.image not in hashes:
            hashes[item.image] = storage.file_hash(item.image)
    return {
        item.key: content_hash(
            [item.question, item.expected_language, hashes[item.image], list(answerer.identity)]
        )
        for item in items
    }
