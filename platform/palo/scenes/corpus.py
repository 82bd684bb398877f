"""Writes a corpus of scenes in LLaVA's format, as real sources look: images and JSON lines."""

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from PIL import Image

from palo import languages
from palo.config import check, to_dict
from palo.scenes.draw import draw_scene, png_bytes
from palo.scenes.phrase_book import phrase_book, spoken_codes
from palo.scenes.questions import BalancedChoice, SceneFacts, all_facts
from palo.scenes.scene import Scene, sample_scene_of
from palo.storage import (
    S3Path,
    ensure_folder,
    json_line,
    replacing,
    send_tree,
    wrap_os_errors,
    write_json,
)

IMAGE_MARK = "<image>"
_CAPTIONS, _INSTRUCTIONS = "captions.jsonl", "instructions.jsonl"
QUESTIONS = "heldout/questions.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneCorpusConfig:
    """How many scenes to draw and what to say about them.

    Attributes:
        num_train_scenes: Images for training.
        num_captions_per_scene: In how many languages each of them is described, turn about.
        num_records_per_scene: In how many languages each of them is asked about, turn about.
        num_rounds: Questions and answers in one record; fewer where a scene has fewer.
        num_heldout_scenes: Images for evaluation; their content never occurs in training.
        num_heldout_questions: Questions about each of those, the same ones in every language.
        languages: ISO codes; empty means every language with a phrase book.
        seed: Equal configurations write equal bytes.
    """

    num_train_scenes: int = 1_500
    num_captions_per_scene: int = 5
    num_records_per_scene: int = 5
    num_rounds: int = 3
    num_heldout_scenes: int = 50
    num_heldout_questions: int = 2
    languages: tuple[str, ...] = ()
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is wrong, one clause each."""
        for name in ("num_train_scenes", "num_heldout_scenes", "num_rounds"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1"
        num_languages = len(self.languages or spoken_codes())
        for name in ("num_captions_per_scene", "num_records_per_scene"):
            if not 1 <= getattr(self, name) <= num_languages:
                yield f"{name} must be between 1 and the number of languages, {num_languages}"
        if self.num_heldout_questions < 1:
            yield "num_heldout_questions must be at least 1"
        yield from languages.unknown_faults(self.languages)


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneCorpus:
    """Where a corpus lies and how much is in it.

    Attributes:
        folder: Holds all that follows; every `image` in the files is relative to it.
        captions: JSON lines for the pretrain stage.
        instructions: JSON lines for the finetune stage.
        questions: JSON lines for evaluation.
        num_captions: Lines of `captions`.
        num_records: Lines of `instructions`.
        num_questions: Lines of `questions`.
    """

    folder: Path
    captions: Path
    instructions: Path
    questions: Path
    num_captions: int
    num_records: int
    num_questions: int


def write_scenes(
    folder: Path, config: SceneCorpusConfig, on_drawn: Callable[[], None] = lambda: None
) -> SceneCorpus:
    """Draws the scenes of a corpus and writes what is said about them.

    Args:
        folder: Where to write images/, captions.jsonl, instructions.jsonl and heldout/.
        config: What to write.
        on_drawn: Called after each image for training.

    Returns:
        The paths and counts.

    Raises:
        ConfigError: If the configuration is wrong.
        DataError: If a language has no phrase book.
        StorageError: If the folder can't be written.
    """
    check(config)
    codes = config.languages or spoken_codes()
    for code in codes:
        phrase_book(code)
    if isinstance(folder, S3Path):  # thousands of small files go there together
        with tempfile.TemporaryDirectory(prefix="palo-scenes-") as own:
            counts = _write(Path(own), config, codes, on_drawn)
            send_tree(Path(own), folder)
    else:
        counts = _write(folder, config, codes, on_drawn)
    num_captions, num_records, num_questions = counts
    corpus = SceneCorpus(
        folder=folder,
        captions=folder / _CAPTIONS,
        instructions=folder / _INSTRUCTIONS,
        questions=folder / QUESTIONS,
        num_captions=num_captions,
        num_records=num_records,
        num_questions=num_questions,
    )
    write_json(folder / "scenes.json", {"config": to_dict(config), "corpus": to_dict(corpus)})
    return corpus


def _write(
    folder: Path,
    config: SceneCorpusConfig,
    codes: tuple[str, ...],
    on_drawn: Callable[[], None],
) -> tuple[int, int, int]:
    """Writes the files; returns how many captions, records and questions."""
    ensure_folder(folder / "images")
    ensure_folder(folder / "heldout" / "images")
    with (
        replacing(folder / _CAPTIONS) as first,
        replacing(folder / _INSTRUCTIONS) as second,
        first.open("w", encoding="utf-8") as caption_file,
        second.open("w", encoding="utf-8") as instruction_file,
    ):
        num_captions, num_records = _write_training(
            folder, config, codes, (caption_file, instruction_file), on_drawn
        )
    with replacing(folder / QUESTIONS) as partial, partial.open("w", encoding="utf-8") as file:
        num_questions = _write_heldout(folder, config, codes, file)
    return num_captions, num_records, num_questions


def _write_training(
    folder: Path,
    config: SceneCorpusConfig,
    codes: tuple[str, ...],
    files: tuple[TextIO, TextIO],
    on_drawn: Callable[[], None],
) -> tuple[int, int]:
    captions, instructions = files
    choices = {code: BalancedChoice() for code in codes}
    num_captions = num_records = 0
    for index in range(config.num_train_scenes):
        rng = random.Random(f"train:{config.seed}:{index}")  # noqa: S311 - images, not secrets
        scene = sample_scene_of(rng, held_out=False)
        image = f"images/{index:07d}.png"
        write_image(folder / image, draw_scene(scene, rng))
        for code in languages_in_turn(codes, index, config.num_captions_per_scene):
            book = phrase_book(code)
            rounds = [(book.ask_description(), book.caption(scene))]
            captions.write(json_line(llava_record(f"{index:07d}-{code}", image, code, rounds)))
            num_captions += 1
        for code in languages_in_turn(codes, index, config.num_records_per_scene):
            facts = chosen_facts(scene, choices[code], rng, config.num_rounds)
            rounds = [worded(fact, code, rng) for fact in facts]
            instructions.write(json_line(llava_record(f"{index:07d}-{code}", image, code, rounds)))
            num_records += 1
        on_drawn()
    return num_captions, num_records


def _write_heldout(
    folder: Path, config: SceneCorpusConfig, codes: tuple[str, ...], file: TextIO
) -> int:
    choice = BalancedChoice()
    num_questions = 0
    for index in range(config.num_heldout_scenes):
        scene, rng = heldout_scene(config, index)
        image = heldout_image(index)
        write_image(folder / image, draw_scene(scene, rng))
        for number, fact in enumerate(
            chosen_facts(scene, choice, rng, config.num_heldout_questions)
        ):
            for code in codes:
                question, answer = worded(fact, code, rng)
                row = {
                    "id": f"heldout-{index:07d}-{number}-{code}",
                    "image": image,
                    "language": code,
                    "kind": fact.kind,
                    "question": question,
                    "answer": answer,
                }
                file.write(json_line(row))
                num_questions += 1
    return num_questions


def heldout_image(index: int) -> str:
    """Returns the path of a held-out image below the corpus.

    Args:
        index: Number of its scene.
    """
    return f"heldout/images/{index:07d}.png"


def heldout_scene(config: SceneCorpusConfig, index: int) -> tuple[Scene, random.Random]:
    """Returns a held-out scene, and what decides all else about it.

    Args:
        config: The corpus.
        index: Number of the scene.
    """
    rng = random.Random(f"heldout:{config.seed}:{index}")  # noqa: S311
    return sample_scene_of(rng, held_out=True), rng


def languages_in_turn(codes: tuple[str, ...], index: int, num_languages: int) -> list[str]:
    """Returns the languages that speak about an image.

    Args:
        codes: All languages.
        index: Number of the image.
        num_languages: How many of them speak about each image.
    """
    start = index * num_languages
    return [codes[(start + step) % len(codes)] for step in range(num_languages)]


def chosen_facts(
    scene: Scene, choice: BalancedChoice, rng: random.Random, num_questions: int
) -> list[SceneFacts]:
    """Chooses what to ask about a scene, in random order.

    Args:
        scene: The scene.
        choice: What keeps the answers even.
        rng: Decides between equals.
        num_questions: How many questions; fewer where the scene has fewer.
    """
    candidates = list(all_facts(scene))
    rng.shuffle(candidates)
    chosen = choice.choose(candidates, num_questions)
    rng.shuffle(chosen)
    return chosen


def worded(facts: SceneFacts, code: str, rng: random.Random) -> tuple[str, str]:
    """Returns a question and its answer.

    Args:
        facts: What is asked.
        code: In which language.
        rng: Decides the wording.
    """
    book = phrase_book(code)
    return book.ask(facts, rng.randrange(1 << 16)), book.answer(facts)


def llava_record(
    record_id: str, image: str, code: str, rounds: list[tuple[str, str]]
) -> dict[str, object]:
    """Returns a conversation about an image as LLaVA's files hold it.

    Args:
        record_id: Its id.
        image: Path of the image.
        code: Its language.
        rounds: Questions and answers.
    """
    (question, answer), *others = rounds
    turns = llava_turns([(f"{IMAGE_MARK}\n{question}", answer), *others])
    return {"id": record_id, "image": image, "language": code, "conversations": turns}


def llava_turns(rounds: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Returns the turns of a conversation as LLaVA's files hold them.

    Args:
        rounds: Questions and answers.
    """
    return [
        {"from": speaker, "value": text}
        for texts in rounds
        for speaker, text in zip(("human", "gpt"), texts, strict=True)
    ]


def write_image(path: Path, image: Image.Image) -> None:
    """Writes an image as PNG.

    Args:
        path: The file.
        image: The image.

    Raises:
        StorageError: If it can't be written.
    """
    with wrap_os_errors("write", path):
        path.write_bytes(png_bytes(image))
