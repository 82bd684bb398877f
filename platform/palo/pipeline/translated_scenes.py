"""Translation from draft to taught model, on scenes whose right texts are known in every language.

English conversations about drawn images are translated; a reviewer who knows the phrase books
corrects them; a small translator learns first what was drafted, then what was corrected.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from palo import languages, storage
from palo.checkpoint.finished import StageResult
from palo.checkpoint.parts import ModelParts
from palo.scenes.draw import draw_scene, png_bytes
from palo.scenes.phrase_book import phrase_book
from palo.scenes.questions import all_facts
from palo.scenes.scene import sample_scene_of
from palo.translate.learning.report import Gain
from palo.translate.learning.teach import TeachSettings, gain_of, teach
from palo.translate.learning.training_set import (
    TrainingSet,
    TranslationExample,
    examples_of,
    write_training_set,
)
from palo.translate.review.decision import SPAN_WRONG, ReviewDecision, decision_faults
from palo.translate.review.item import Item
from palo.translate.review.store import ReviewStore

REVIEWER = "phrase book"
_ENGLISH = "en"
_ROWS, _RIGHT = "conversations.jsonl", "right.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneSource:
    """English conversations about scenes, with their right texts in other languages.

    Attributes:
        folder: Holds the images, and the rows in LLaVA's format.
    """

    folder: Path

    @property
    def rows(self) -> Path:
        """The English conversations."""
        return self.folder / _ROWS

    def right_texts(self, item: Item) -> tuple[str, ...]:
        """Returns the right texts of a translation.

        Args:
            item: A translation of one of its conversations.
        """
        own_id = item.translated.source.record_id.partition("/")[2].rpartition("@")[0]
        right = storage.read_json(self.folder / _RIGHT)
        return tuple(right[own_id][item.language])


def draw_source(
    folder: Path, codes: tuple[str, ...], *, num_conversations: int, num_rounds: int, seed: int
) -> SceneSource:
    """Draws scenes and writes English conversations about them.

    Args:
        folder: Where they are written.
        codes: Languages whose right texts are saved beside them.
        num_conversations: Images, with a conversation each.
        num_rounds: Questions and answers of one.
        seed: Seed of the scenes.

    Raises:
        DataError: If a language has no phrase book.
        StorageError: If the folder can't be written.
    """
    lines, right = [], {}
    for number in range(num_conversations):
        rng = random.Random(f"translate:{seed}:{number}")  # noqa: S311 - images, not secrets
        scene = sample_scene_of(rng, held_out=False)
        facts = list(all_facts(scene))
        rng.shuffle(facts)
        image = f"images/{number:05d}.png"
        storage.write_bytes(folder / image, png_bytes(draw_scene(scene, rng)))
        texts = {}
        for code in (_ENGLISH, *codes):
            book = phrase_book(code)
            pairs = [(book.ask(fact), book.answer(fact)) for fact in facts[:num_rounds]]
            texts[code] = [text for pair in pairs for text in pair]
        own_id = f"scene-{number:05d}"
        right[own_id] = texts
        lines.append(json.dumps(_row(own_id, image, texts[_ENGLISH]), ensure_ascii=False))
    storage.write_text(folder / _ROWS, "\n".join(lines) + "\n")
    storage.write_json(folder / _RIGHT, right)
    return SceneSource(folder=folder)


def correct(store: ReviewStore, source: SceneSource) -> int:
    """Reviews all open translations as a reviewer who knows the right texts.

    Args:
        store: The review.
        source: Where its conversations come from.

    Returns:
        How many translations had to be corrected.

    Raises:
        StorageError: If a decision can't be saved.
    """
    num_corrected = 0
    for item in store.items():
        if item.state != "open":
            continue
        decision = ReviewDecision(
            key=item.key,
            edition=item.edition,
            reviewer=REVIEWER,
            outcome="accept",
            texts=source.right_texts(item),
        )
        if any(fault.kind == "span" for fault in decision_faults(item.translated, decision)):
            decision = replace(decision, tags=(SPAN_WRONG,))
        store.save(decision, seen_version=item.version)
        num_corrected += decision.texts != item.translated.texts
    return num_corrected


def learn(store: ReviewStore, settings: TeachSettings, output: Path) -> Gain:
    """Teaches a model the drafts, and then, with an adapter, their corrections.

    Args:
        store: The review. Ray must be running.
        settings: The model, and how it learns corrections.
        output: Folder for both models.

    Returns:
        Held-out text, translated by both.

    Raises:
        PaloError: What building corpora and training raise.
    """
    corrected = write_training_set(
        output / "corrections", examples_of(store.items()), held_out_share=0.2
    )
    drafts = write_training_set(output / "drafts", _as_drafted(corrected), held_out_share=0.2)
    student = _taught_drafts(drafts, settings, output / "student")
    parts = _parts_of(student)
    own = replace(settings, parts=parts)
    taught = teach(corrected, own, output / "taught")
    return gain_of(own, taught, list(corrected.held_out))


def _as_drafted(made: TrainingSet) -> Iterator[TranslationExample]:
    for example in (*made.learnt, *made.held_out):
        yield replace(example, wanted=example.draft)


def _taught_drafts(drafts: TrainingSet, settings: TeachSettings, output: Path) -> StageResult:
    stage = replace(settings.stage, trains="full", lora=None)
    return teach(drafts, replace(settings, stage=stage), output)


def _parts_of(student: StageResult) -> ModelParts:
    """Returns a trained language model as the pretrained part of the next one."""
    return replace(student.parts, language_model=student.folder / "language_model")


def _row(own_id: str, image: str, texts: list[str]) -> dict[str, object]:
    turns = [
        {"from": "gpt" if number % 2 else "human", "value": text}
        for number, text in enumerate(texts)
    ]
    turns[0]["value"] = f"<image>\n{turns[0]['value']}"
    return {"id": own_id, "image": image, "language": _ENGLISH, "conversations": turns}


def languages_with_books(codes: tuple[str, ...]) -> Iterator[str]:
    """Yields the faults of languages to translate scenes into.

    Args:
        codes: ISO 639-1 codes.
    """
    for code in codes:
        if not languages.known(code) or code == _ENGLISH:
            yield f"{code!r} is no language to translate English into"
