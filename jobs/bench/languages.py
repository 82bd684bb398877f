"""Measures what a language costs, before and after new pieces: `make bench NAME=languages`.

LLaMA's tokenizer gets pieces for Hindi, Bengali, Urdu and Arabic, learned from the first half of
the parallel news sentences of the optional data folder. All is measured on the second half:

1. tokens: tokens a sentence, over English, characters that a context holds, rows that are split.
2. sizes: the same ratio to English with fewer and more new pieces.
3. answers: CPU seconds of answers with equal content by the engine, with random weights.
4. nano, mini: two models learn to answer questions about drawn scenes in ten languages, with their
   own vocabulary and with one extended by pieces of the scenes' text: tokens, CPU seconds, memory,
   accuracy, fidelity. mini needs what `make mini` prepares.

With --stop-after-s no further part or stage begins after so many seconds; the next call goes on.
"""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resuming import Kept, TimeOverError, say
from speaking.answers import answer_figures
from speaking.models import MINI, NANO, SceneModel, recipe_of
from speaking.tokens import Row, changed_lines, ratio, split_figures, token_figures
from training.conversations import data_folder

from palo import config, storage
from palo.benchmark import Conditions, Figure, publish, resampled
from palo.command import override, run_job
from palo.errors import DataError
from palo.machine import hardware
from palo.text.tokenizer import TextTokenizer, load_tokenizer
from palo.text.vocabulary.extend import VocabularySettings, extend_tokenizer

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "sentencepiece", "torch", "transformers")


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguagesBench:
    """What is measured.

    Attributes:
        vocabulary: Which pieces are added.
        sizes: Other numbers of new pieces for each language.
        answers: Sentences that are answers, in every language.
        width: Width of the model that answers.
        layers: Its layers.
        nano: The small model that learns from drawn scenes.
        mini: The one of real weights.
        seeds: Seeds of what these two learn.
        threads: Threads of a process that trains or asks them.
        cache: Where parts of a stopped run are kept.
        stop_after_s: No other part or stage begins after so many seconds; the next call goes on.
            None measures all.
        output: Folder of the result; None for the checkout's own.
    """

    vocabulary: VocabularySettings = field(default_factory=VocabularySettings)
    sizes: tuple[int, ...] = (500, 1000, 4000)
    answers: int = 5
    width: int = 384
    layers: int = 8
    nano: SceneModel = NANO
    mini: SceneModel = MINI
    seeds: tuple[int, ...] = (0,)
    threads: int = 1
    cache: Path = Path(".cache") / "bench" / "languages"
    stop_after_s: float | None = None
    output: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.answers < 2:
            yield f"answers is {self.answers} but an interval needs at least 2"
        if self.width % 64:
            yield f"width is {self.width} but must be a multiple of 64"
        if not self.seeds:
            yield "seeds must name at least one"


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(LanguagesBench(), arguments, "jobs/bench/languages.py")
    config.check(settings)
    machine = hardware()
    data = data_folder(_ROOT)
    if data is None:
        raise DataError("no tokenizer and no parallel sentences", seen="PALO_DATA",
                        fix="Set PALO_DATA to the data folder.")  # fmt: skip
    _require_parts(settings)
    same = dataclasses.replace(settings, cache=Path(), stop_after_s=None, output=None)
    kept = Kept(same, settings.cache, _ROOT, settings.stop_after_s)
    figures: list[Figure] = []
    try:
        for part, measure in _parts(settings, data):
            figures += kept.result(part, Figure, measure)
        for name, model in (("nano", settings.nano), ("mini", settings.mini)):
            figures += _trained(name, model, settings, kept)
    except TimeOverError:
        say("the time is over: call it again to go on")
        return
    learned, heldout = _halves(data)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=same,
        seeds=settings.seeds,
        counts={"lines_learned_from": len(learned), "lines_measured": len(heldout),
                "answers": settings.answers,
                "nano_questions_each_language": 2 * settings.nano.heldout_scenes,
                "mini_questions_each_language": 2 * settings.mini.heldout_scenes},
    )  # fmt: skip
    publish("languages", figures, conditions, root=_ROOT, folder=settings.output)


def _require_parts(settings: LanguagesBench) -> None:
    """Refuses to measure for minutes what can't be finished."""
    missing = [
        one
        for model in (settings.nano, settings.mini)
        for one in recipe_of(model, Path()).parts.missing()
    ]
    if missing:
        raise DataError("pretrained parts are missing", seen=", ".join(missing),
                        fix="Prepare them with jobs/prepare_mini.py.")  # fmt: skip


def _parts(
    settings: LanguagesBench, data: Path
) -> Iterator[tuple[str, Callable[[], list[Figure]]]]:
    yield "tokens", lambda: list(_tokens(settings, data))
    yield "sizes", lambda: list(_sizes(settings, data))
    yield "answers", lambda: list(_answers(settings, data))


def _halves(data: Path) -> tuple[list[Row], list[Row]]:
    text = storage.read_text(data / "parallel" / "ntrex1000" / "sentences.jsonl")
    rows = [json.loads(line) for line in text.splitlines()]
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def _extended(data: Path, settings: VocabularySettings) -> tuple[TextTokenizer, TextTokenizer]:
    old = load_tokenizer(data / "tokenizer" / "llama2-32k")
    learned, _ = _halves(data)
    texts = ((code, row[code]) for row in learned for code in settings.languages)
    with tempfile.TemporaryDirectory(prefix="palo-bench-") as folder:
        extend_tokenizer(old, texts, settings, Path(folder))
        return old, load_tokenizer(Path(folder))


def _tokens(settings: LanguagesBench, data: Path) -> Iterator[Figure]:
    old, new = _extended(data, settings.vocabulary)
    learned, heldout = _halves(data)
    codes = settings.vocabulary.languages
    added = float(new.vocab_size - old.vocab_size)
    yield Figure(name="new_tokens", value=added, unit="tokens", low=added, high=added)
    yield changed_lines([*learned, *heldout], old, new, codes)
    yield from token_figures(heldout, old, new, codes)
    yield from split_figures(heldout, old, new)


def _sizes(settings: LanguagesBench, data: Path) -> Iterator[Figure]:
    _, heldout = _halves(data)
    for size in settings.sizes:
        chosen = dataclasses.replace(settings.vocabulary, pieces_per_language=size)
        old, new = _extended(data, chosen)
        for code in chosen.languages:
            pairs = [(len(new.encode(row[code])), len(old.encode(row["en"]))) for row in heldout]
            yield resampled(f"{code}_to_english_{size}_pieces", ratio, pairs, "1")


def _answers(settings: LanguagesBench, data: Path) -> Iterator[Figure]:
    old, new = _extended(data, settings.vocabulary)
    _, heldout = _halves(data)
    step = len(heldout) // settings.answers
    chosen: Sequence[Row] = heldout[::step][: settings.answers]
    tokenizers: Mapping[str, TextTokenizer] = {"before": old, "after": new}
    yield from answer_figures(chosen, tokenizers, settings.width, settings.layers)


def _trained(
    name: str, model: SceneModel, settings: LanguagesBench, kept: Kept
) -> Iterator[Figure]:
    from speaking.model_figures import model_figures
    from speaking.trained import trained

    found = trained(name, model, settings.seeds, settings.threads, kept)
    yield from model_figures(name, found, model.vocabulary.languages)


if __name__ == "__main__":
    run_job(main)
