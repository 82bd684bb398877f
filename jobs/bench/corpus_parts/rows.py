"""Rows as PALO's released file has them, any number, each drawn from its own seed.

English has the composition of llava_v1_5_mix665k.json, the other nine languages each have the
157,712 records of LLaVA-Instruct: the same images, rounds and sentences as in English. Of those,
58 of 158 are conversations of four to seven rounds (126 MB by 58,000, as published), 23 describe in
three to five sentences, 77 reason in four to six; the others answer in words, phrases or sentences,
as their names say. A translated row repeats its turns, and the English ones, in fields of its own.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from corpus_parts.sentences import Sentences

from palo import languages
from palo.data.records import Origin

_SPREAD = 1_000_003
_FULL_COUNT = 2_084_706


@dataclass(frozen=True, slots=True)
class _Kind:
    """Records that look alike: how many, their rounds, and what an answer is made of."""

    name: str
    count: int
    rounds: tuple[int, int]
    unit: Literal["words", "sentences"]
    size: tuple[int, int]
    has_image: bool = True


_INSTRUCT = (
    _Kind("conversation", 57_712, (4, 7), "sentences", (1, 1)),
    _Kind("detail", 23_000, (1, 1), "sentences", (3, 5)),
    _Kind("reasoning", 77_000, (1, 1), "sentences", (4, 6)),
)
_ENGLISH_ONLY = (
    _Kind("sharegpt", 40_688, (2, 6), "sentences", (4, 12), has_image=False),
    _Kind("vqav2", 82_783, (3, 8), "words", (1, 2)),
    _Kind("gqa", 72_140, (4, 12), "words", (1, 2)),
    _Kind("okvqa", 8_998, (1, 2), "words", (1, 3)),
    _Kind("ocr_vqa", 80_000, (3, 5), "words", (1, 6)),
    _Kind("a_okvqa", 66_160, (1, 2), "words", (1, 4)),
    _Kind("textcaps", 21_953, (1, 1), "sentences", (1, 1)),
    _Kind("refcoco", 48_447, (1, 5), "words", (3, 8)),
    _Kind("vg", 86_417, (4, 12), "words", (3, 8)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSettings:
    """What rows are drawn.

    Attributes:
        num_records: How many, in the paper's proportions.
        num_images: Distinct images; 0 leaves images out.
        repeats_fields: Whether translated rows repeat their turns, as PALO's do.
        seed: Seed of all of them.
    """

    num_records: int
    num_images: int
    repeats_fields: bool = True
    seed: int = 0


def image_path(number: int) -> str:
    """Returns an image's path in a row."""
    return f"coco/train2017/{number:012d}.png"


def generated_origin() -> Origin:
    """Returns what the rows have in common, as a build would say it."""
    return Origin(
        source="palo",
        language="en",
        image_folder="images",
        languages=languages.codes(),
        known=tuple(languages.every()),
    )


class RowMaker:
    """Draws rows in a shuffled order.

    Args:
        settings: What rows.
        sentences: Their words.
    """

    def __init__(self, settings: RowSettings, sentences: Sentences) -> None:
        self._settings = settings
        self._sentences = sentences
        share = settings.num_records / _FULL_COUNT
        groups = [("en", kind) for kind in (*_INSTRUCT, *_ENGLISH_ONLY)]
        groups += [(c, kind) for c in languages.codes() if c != "en" for kind in _INSTRUCT]
        counts = [round(kind.count * share) for _, kind in groups]
        # What rounding lost or won is made up for by the largest kind.
        counts[groups.index(("en", _ENGLISH_ONLY[-1]))] += settings.num_records - sum(counts)
        self._groups = groups
        self._ends = np.cumsum(counts)

    def __iter__(self) -> Iterator[str]:
        """Yields each row as JSON text, in ASCII."""
        order = np.random.default_rng(self._settings.seed).permutation(self._settings.num_records)
        owners = np.searchsorted(self._ends, order, side="right")
        starts = np.concatenate([[0], self._ends])[owners]
        for owner, number in zip(owners.tolist(), (order - starts).tolist(), strict=True):
            code, kind = self._groups[owner]
            yield self._row(code, kind, number)

    def _row(self, code: str, kind: _Kind, number: int) -> str:
        # Translations share the seed of their English record, and with it all but the words.
        seed = (self._settings.seed * _SPREAD + number) * len(kind.name) + ord(kind.name[0])
        generator = random.Random(seed)  # noqa: S311 - contents of a bench
        shape = self._shape(kind, generator)
        own_id = f"{kind.name}-{number}"
        has_image = kind.has_image and self._settings.num_images > 0
        image = ""
        if has_image:
            which = generator.randrange(self._settings.num_images)
            if kind in _INSTRUCT:
                which = (number + kind.count) % self._settings.num_images
            image = f'"image": "{image_path(which)}", '
        turns = self._turns(shape, code, kind, has_image=has_image)
        head = f'{{"id": "{own_id}", {image}"conversations": {turns}'
        if code == "en":
            return head + "}"
        name = f"{languages.get(code).name.lower()}_conversation"
        if not self._settings.repeats_fields:
            return f'{head}, "language": "{code}"}}'
        english = self._turns(shape, "en", kind, has_image=has_image)
        return f'{head}, "english_conversations": {english}, "{name}": {turns}, "corrupt": false}}'

    def _shape(self, kind: _Kind, generator: random.Random) -> list[tuple[int, list[int], int]]:
        """Draws question, answer's sentences and words of each round."""
        count = len(self._sentences.escaped["en"])
        rounds = []
        for _ in range(generator.randint(*kind.rounds)):
            size = generator.randint(*kind.size)
            picks = size if kind.unit == "sentences" else 1
            answer = [generator.randrange(count) for _ in range(picks)]
            rounds.append((generator.randrange(self._sentences.num_short), answer, size))
        return rounds

    def _turns(
        self, shape: list[tuple[int, list[int], int]], code: str, kind: _Kind, *, has_image: bool
    ) -> str:
        texts = self._sentences.escaped[code]
        place = "<image>\\n" if has_image else ""
        turns = []
        for question, picks, size in shape:
            answer = " ".join([texts[pick] for pick in picks])
            if kind.unit == "words":
                answer = " ".join(answer.split(" ", size)[:size])
            turns.append(f'{{"from": "human", "value": "{place}{texts[question]}"}}')
            turns.append(f'{{"from": "gpt", "value": "{answer}"}}')
            place = ""
        return f"[{', '.join(turns)}]"
