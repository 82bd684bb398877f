"""Conversations whose lengths the training bench measures.

The real ones have the shape of LLaVA-Instruct-150K and the words of real sentences in every
language: 58 of 158 have three to five rounds of a question and a sentence; 23 describe in three to
five sentences, and 77 reason in four to six. A question is one of the shorter third of the
sentences. English answers then have 21, 85 and 106 words on average, where 90 of LLaVA's own, by
GPT-4, have 17, 79 and 105. Nine in ten have an image.
"""

import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from palo import languages, storage
from palo.data.records import Origin, Record, parse_llava
from palo.scenes.corpus import SceneCorpusConfig, write_scenes
from palo.text.messages import Conversation, Turn

_IMAGE_SHARE = 0.9
_KINDS = {"conversation": 58, "detail": 23, "reasoning": 77}
_ANSWER_SENTENCES = {"conversation": (1, 1), "detail": (3, 5), "reasoning": (4, 6)}
_ROUNDS = (3, 5)

# A sentence in every language, by code.
Sentence = dict[str, str]
Rounds = list[tuple[Sentence, list[Sentence]]]


def data_folder(root: Path) -> Path | None:
    """Returns the optional data folder, or None without one.

    Args:
        root: The checkout.
    """
    data = Path(os.environ.get("PALO_DATA") or root.parent / "shared" / "data")
    return data if data.is_dir() else None


def news(data: Path, count: int, seed: int) -> Iterator[Conversation]:
    """Yields conversations of NTREX's sentences, as many in every language.

    Args:
        data: The optional data folder.
        count: About how many, all languages together.
        seed: Seed of the shapes and of the choice of sentences.
    """
    text = storage.read_text(data / "parallel" / "ntrex1000" / "sentences.jsonl")
    sentences = sorted((json.loads(line) for line in text.splitlines()), key=lambda s: len(s["en"]))
    generator = random.Random(seed)  # noqa: S311 - sizes of a bench
    for _ in range(count // len(languages.codes())):
        rounds = _shape(sentences, generator)
        num_images = int(generator.random() < _IMAGE_SHARE)
        for code in languages.codes():
            yield _conversation(rounds, code, num_images)


def scenes(count: int, seed: int) -> Iterator[Conversation]:
    """Yields conversations about drawn scenes, as the embedded default trains on them."""
    every = len(languages.codes())
    config = SceneCorpusConfig(
        num_train_scenes=max(1, count // every),
        num_records_per_scene=every,
        num_captions_per_scene=1,
        num_heldout_scenes=1,
        seed=seed,
    )
    with tempfile.TemporaryDirectory(prefix="palo-bench-") as folder:
        corpus = write_scenes(Path(folder), config)
        lines = storage.read_text(corpus.instructions).splitlines()
    origin = Origin(source="scenes", image_folder=".", languages=languages.codes())
    for line in lines:
        record = parse_llava(json.loads(line), origin)
        assert isinstance(record, Record)
        yield Conversation(record.turns)


def _shape(sentences: list[Sentence], generator: random.Random) -> Rounds:
    """Draws questions and answers, the same for all languages, from sentences shortest first."""
    kind = generator.choices(list(_KINDS), list(_KINDS.values()))[0]
    num_rounds = generator.randint(*_ROUNDS) if kind == "conversation" else 1
    shorter = sentences[: len(sentences) // 3]
    return [
        (
            generator.choice(shorter),
            generator.sample(sentences, generator.randint(*_ANSWER_SENTENCES[kind])),
        )
        for _ in range(num_rounds)
    ]


def _conversation(rounds: Rounds, code: str, num_images: int) -> Conversation:
    turns = []
    for number, (question, answer) in enumerate(rounds):
        turns.append(Turn("user", question[code], 0 if number else num_images))
        turns.append(Turn("assistant", " ".join(sentence[code] for sentence in answer)))
    return Conversation(tuple(turns))
