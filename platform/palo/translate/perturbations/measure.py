"""Measures the checks on parallel sentences: perturbations they catch, references they refuse."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from palo.metrics.intervals import wilson
from palo.translate.checks.run import CHECKS, CheckSettings, run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.perturbations import (
    content,
    encoding,
    figures,
    form,
    leaks,
    letters,
    repeats,
    residue,
)
from palo.translate.perturbations.figures import measured_samples
from palo.translate.perturbations.sample import (
    Perturbation,
    PerturbationSample,
    plain_samples,
    rich_samples,
)
from palo.translate.translated import CheckResult, Decision, decide

KINDS: Mapping[str, Perturbation] = {
    perturbation.__name__: perturbation
    for module in (content, form, residue, encoding, letters, repeats, leaks, figures)
    for perturbation in module.KINDS
}
"""Perturbations by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateWithInterval:
    """A share of some cases, with its confidence interval.

    Attributes:
        count: Cases for which something holds.
        total: All cases.
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share; 0 of nothing."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share."""
        return wilson(self.count, self.total) if self.total else (0.0, 1.0)

    def __add__(self, other: "RateWithInterval") -> "RateWithInterval":
        return RateWithInterval(count=self.count + other.count, total=self.total + other.total)


def total(shares: Iterable[RateWithInterval]) -> RateWithInterval:
    """Returns the share of all cases together.

    Args:
        shares: Rates of disjoint cases.
    """
    return sum(shares, RateWithInterval(count=0, total=0))


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedReference:
    """A correct sentence that a check refuses.

    Attributes:
        source: The source.
        text: The translation.
        reason: Check and reason.
    """

    source: str
    text: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRates:
    """Detection and false-alarm rates of the checks in one language.

    Attributes:
        caught: By perturbation, the share that is refused, or repaired by the normalizers.
        refused: The share of correct sentences that are refused.
        figures_refused: The share of correct sentences with figures that are refused.
        by_check: Number of correct sentences that each check refuses.
        examples: The correct sentences that are refused.
        missed: By perturbation, the perturbed translations that every check accepts.
    """

    caught: Mapping[str, RateWithInterval]
    refused: RateWithInterval
    figures_refused: RateWithInterval
    by_check: Mapping[str, int]
    examples: tuple[RefusedReference, ...] = ()
    missed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def measure(
    rows: Sequence[Mapping[str, str]],
    language: str,
    *,
    cases: int,
    source: str = "en",
    seed: int = 0,
    settings: CheckSettings | None = None,
    faulty: frozenset[int] = frozenset(),
) -> CheckRates:
    """Measures the checks on parallel sentences.

    Args:
        rows: Sentences with their translations by ISO 639-1 code.
        language: ISO 639-1 code of the language to measure.
        cases: Most perturbed translations of each kind.
        source: ISO 639-1 code of the source language.
        seed: Perturbation of every draw.
        settings: The checks' settings.
        faulty: Numbers of rows whose translation into the language is known to be wrong; they
            don't count among the correct ones.
    """
    settings = settings or CheckSettings()
    plain = _judged(plain_samples(rows, language, source), settings)
    rich = _judged(rich_samples(rows, language, source), settings)
    figured = _judged(measured_samples(rows, language, source), settings)
    # No kind has only the first sentences, or only those with figures.
    right = sorted(
        (one for one in (*plain, *rich, *figured) if not one.faults), key=lambda one: one.number
    )
    caught, missed = {}, {}
    for kind in KINDS:
        caught[kind], missed[kind] = _caught(kind, right, cases, seed, settings)
    refused = {
        (one.number, result.turn or 0): _example(one.sample, result)
        for one in plain
        for result in one.faults
        if one.number + (result.turn or 0) not in faulty
    }
    seen = {
        (one.number, result.turn or 0, result.check)
        for one in plain
        for result in one.faults
        if one.number + (result.turn or 0) not in faulty
    }
    in_figures = [one for one in figured if any(result.turn for result in one.faults)]
    return CheckRates(
        caught=caught,
        refused=RateWithInterval(count=len(refused), total=2 * len(plain) - len(faulty)),
        figures_refused=RateWithInterval(count=len(in_figures), total=len(figured)),
        by_check=Counter(check for _, _, check in seen),
        examples=(
            *refused.values(),
            *(_example(one.sample, one.faults[-1]) for one in in_figures),
        ),
        missed=missed,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """A correct translation with what the checks say about it.

    Attributes:
        sample: The translation.
        cleaned: Its turns, normalized.
        faults: Its refusals.
    """

    sample: PerturbationSample
    cleaned: tuple[str, ...]
    faults: list[CheckResult]

    @property
    def number(self) -> int:
        """Number of the conversation."""
        return int(self.sample.request.source.record_id)


def _judged(samples: Iterable[PerturbationSample], settings: CheckSettings) -> list[_Judged]:
    return [
        _Judged(
            sample=sample,
            cleaned=_cleaned(sample, sample.texts),
            faults=_refusals(sample, sample.texts, settings),
        )
        for sample in samples
    ]


def _example(sample: PerturbationSample, result: CheckResult) -> RefusedReference:
    turn = result.turn or 0
    return RefusedReference(
        source=sample.request.source.turns[turn].text,
        text=sample.texts[turn],
        reason=f"{result.check}: {result.reason}",
    )


def _caught(
    kind: str, right: Sequence[_Judged], cases: int, seed: int, settings: CheckSettings
) -> tuple[RateWithInterval, tuple[str, ...]]:
    """Perturbs correct translations in one way until there are enough."""
    draw = Random(f"{seed} {kind}")  # noqa: S311 - nothing secret is drawn
    count = total = 0
    missed = []
    for one in right:
        if total == cases:
            break
        texts = KINDS[kind](one.sample, draw)
        if texts is None:
            continue
        total += 1
        is_repaired = _alike(_cleaned(one.sample, texts)) == _alike(one.cleaned)
        if is_repaired or _refusals(one.sample, texts, settings):
            count += 1
        else:
            missed.append(" | ".join(texts))
    return RateWithInterval(count=count, total=total), tuple(missed)


def _refusals(
    sample: PerturbationSample, texts: tuple[str, ...], settings: CheckSettings
) -> list[CheckResult]:
    results = run_checks(sample.request, _cleaned(sample, texts), settings, drafts=texts)
    if decide(results) is Decision.ACCEPT:
        return []
    return [result for result in results if result.decision is not Decision.ACCEPT]


def _alike(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Returns texts to compare: a Latin comma may stand for either of Chinese's two."""
    return tuple(text.replace("、", "，") for text in texts)


def _cleaned(sample: PerturbationSample, texts: tuple[str, ...]) -> tuple[str, ...]:
    spans = [span for turn in sample.request.turns for span in turn.spans]
    return tuple(normalize_translation(text, sample.request.language, spans) for text in texts)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedSentence:
    """A sentence that the normalizers of its language change.

    Attributes:
        before: The sentence in Unicode's composed form.
        after: The normalized sentence.
    """

    before: str
    after: str


def changed_by_normalizers(texts: Iterable[str], language: str) -> Iterator[ChangedSentence]:
    """Yields the sentences that the normalizers change, beyond Unicode's composed form.

    Args:
        texts: Sentences written by people.
        language: ISO 639-1 code.
    """
    for text in texts:
        before, after = unicodedata.normalize("NFC", text), normalize_translation(text, language)
        if before != after:
            yield ChangedSentence(before=before, after=after)


def table(measured: Mapping[str, CheckRates]) -> str:
    """Returns a table of the rates by perturbation and language.

    Args:
        measured: The rates, by the heading of their column.
    """
    rows = [("kind", *measured, "all")]
    for kind in KINDS:
        shares = [one.caught[kind] for one in measured.values()]
        rows.append((kind, *map(_shown, shares), _shown(total(shares), spread=True)))
    sums = [total(one.caught.values()) for one in measured.values()]
    rows.append(("all kinds caught", *map(_shown, sums), _shown(total(sums), spread=True)))
    shares = [one.refused for one in measured.values()]
    rows.append(("untouched refused", *map(_shown, shares), _shown(total(shares), spread=True)))
    shares = [one.figures_refused for one in measured.values()]
    rows.append(("with figures refused", *map(_shown, shares), _shown(total(shares), spread=True)))
    for check in CHECKS:
        counts = [one.by_check.get(check, 0) for one in measured.values()]
        if any(counts):
            rows.append((f"  by {check}", *map(str, counts), str(sum(counts))))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(lines)


def _shown(share: RateWithInterval, *, spread: bool = False) -> str:
    if not share.total:
        return "-"
    shown = f"{100 * share.value:.1f} % of {share.total}"
    low, high = share.interval
    return f"{shown} [{100 * low:.1f}, {100 * high:.1f}]" if spread else shown
