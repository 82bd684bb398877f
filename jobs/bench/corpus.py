"""Measures building corpora: `make bench NAME=corpus`, or `python jobs/bench/corpus.py [--part X]`.

1. build: a corpus with the paper's counts, and a tenth of it: speed, memory, time per row.
2. tokenise: parsing plus tokenising against the bare tokenizer.
3. array: one 5 GB JSON array read by all cores at once.
4. kills: builds that are killed and go on.
5. llava: time to the first batch and memory, the way LLaVA loads and ours.
"""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from corpus_parts.sentences import read_sentences
from corpus_parts.settings import CorpusBench, Part
from resuming import measured

from palo import config
from palo.benchmark import Conditions, Figure, publish
from palo.command import override, run_job
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "ray", "pyarrow", "orjson", "sentencepiece", "torch", "transformers")


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(CorpusBench(), arguments, "jobs/bench/corpus.py")
    config.check(settings)
    machine = hardware()
    figures = _figures(settings)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=dataclasses.replace(settings, output=None, cache=Path()),
        seeds=[settings.seed],
        counts={
            "records": settings.scaled(settings.records),
            "images": settings.scaled(settings.images),
            "text_records": settings.scaled(settings.text_records),
            "kills": settings.kills,
            "rank_records": settings.scaled(settings.rank_records),
            "repeats": settings.repeats,
        },
    )
    publish("corpus", figures, conditions, root=_ROOT, folder=settings.output)


def _figures(settings: CorpusBench) -> list[Figure]:
    """Measures the wanted parts, on inputs that are gone afterwards unless they are to be kept."""
    from corpus_parts.kills import measure_kills
    from corpus_parts.large_array import measure_array
    from corpus_parts.llava_way import measure_llava
    from corpus_parts.sizes import measure_sizes
    from corpus_parts.tokenising import measure_tokenising

    sentences = read_sentences(_ROOT)
    parts: dict[Part, Callable[[], list[Figure]]] = {
        "tokenise": lambda: measure_tokenising(settings, sentences, _ROOT),
        "array": lambda: measure_array(settings, sentences),
        "llava": lambda: measure_llava(settings, sentences, _ROOT),
        "kills": lambda: measure_kills(settings, sentences, _ROOT) if settings.kills else [],
        "build": lambda: measure_sizes(settings, sentences, _ROOT),
    }
    figures: list[Figure] = []
    for part, measure in parts.items():
        if settings.runs(part):
            figures += measured(settings, part, measure, _ROOT)
    # A part that ran alone leaves its figures for a whole run.
    used = [settings.cache] if settings.part == "all" else settings.cache.glob("inputs-*")
    for folder in () if settings.keep else used:
        shutil.rmtree(folder, ignore_errors=True)
    return figures


if __name__ == "__main__":
    run_job(main)
