"""Measures the gates: what they catch of seeded faults, what they refuse of right translations."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from palo.translate.checks.run import CheckSettings, run_checks
from palo.translate.normalizers.normalize import normalize_translation
from palo.translate.perturbations.kinds import KINDS
from palo.translate.perturbations.sample import PerturbationSample, plain_samples, rich_samples
from palo.translate.perturbations.share import RateWithInterval
from palo.translate.translated import CheckResult, Decision, decide


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A right sentence that a gate refuses.

    Attributes:
        source: The source.
        text: The translation.
        reason: Gate and reason.
    """

    source: str
    text: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """The gates in one language.

    Attributes:
        caught: By kind of fault, how many are refused, or repaired by the rules of the language.
        refused: How many right sentences are refused.
        by_gate: How many right sentences each gate refuses.
        examples: The right sentences that are refused.
        missed: By kind, translations whose fault nothing caught.
    """

    caught: Mapping[str, RateWithInterval]
    refused: RateWithInterval
    by_gate: Mapping[str, int]
    examples: tuple[Refused, ...] = ()
    missed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def measure(
    rows: Sequence[Mapping[str, str]],
    language: str,
    *,
    cases: int,
    source: str = "en",
    seed: int = 0,
    settings: CheckSettings | None = None,
) -> Measured:
    """Measures the gates on parallel sentences.

    Args:
        rows: Sentences with their translations by ISO 639-1 code.
        language: ISO 639-1 code of the language to measure.
        cases: How many faults of each kind to seed at most.
        source: ISO 639-1 code of the language that they are translated from.
        seed: Seed of every draw.
        settings: The gates' settings.
    """
    settings = settings or CheckSettings()
    refused: dict[tuple[int, int], Refused] = {}
    by_gate: Counter[str] = Counter()
    right: list[PerturbationSample] = []
    for number, sample in enumerate(plain_samples(rows, language, source)):
        faults = _refusals(sample, _cleaned(sample, sample.texts), settings)
        seen = {(result.turn or 0, result.gate) for result in faults}
        by_gate.update(gate for _, gate in seen)
        for result in faults:
            turn = result.turn or 0
            refused[number, turn] = Refused(
                source=sample.unit.source.turns[turn].text,
                text=sample.texts[turn],
                reason=f"{result.gate}: {result.reason}",
            )
        if not faults:
            right.append(sample)
    rich = [
        sample
        for sample in rich_samples(rows, language, source)
        if not _refusals(sample, _cleaned(sample, sample.texts), settings)
    ]
    caught, missed = {}, {}
    for kind in KINDS:
        caught[kind], missed[kind] = _caught(kind, [*rich, *right], cases, seed, settings)
    return Measured(
        caught=caught,
        refused=RateWithInterval(count=len(refused), total=2 * (len(rows) // 2)),
        by_gate=by_gate,
        examples=tuple(refused.values()),
        missed=missed,
    )


def _caught(
    kind: str, samples: Iterable[PerturbationSample], cases: int, seed: int, settings: CheckSettings
) -> tuple[RateWithInterval, tuple[str, ...]]:
    """Seeds one kind of fault into right translations until there are enough."""
    draw = Random(f"{seed} {kind}")  # noqa: S311 - nothing secret is drawn
    count = total = 0
    missed = []
    for sample in samples:
        if total == cases:
            break
        texts = KINDS[kind](sample, draw)
        if texts is None:
            continue
        total += 1
        cleaned = _cleaned(sample, texts)
        right = _cleaned(sample, sample.texts)
        if _alike(cleaned) == _alike(right) or _refusals(sample, cleaned, settings):
            count += 1
        else:
            missed.append(" | ".join(texts))
    return RateWithInterval(count=count, total=total), tuple(missed)


def _refusals(
    sample: PerturbationSample, texts: tuple[str, ...], settings: CheckSettings
) -> list[CheckResult]:
    results = run_checks(sample.unit, texts, settings)
    if decide(results) is Decision.ACCEPT:
        return []
    return [result for result in results if result.decision is not Decision.ACCEPT]


def _alike(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Returns texts to compare: nobody can know which of Chinese's two commas a Latin one was."""
    return tuple(text.replace("、", "，") for text in texts)


def _cleaned(sample: PerturbationSample, texts: tuple[str, ...]) -> tuple[str, ...]:
    locks = [lock for turn in sample.unit.turns for lock in turn.locks]
    return tuple(normalize_translation(text, sample.unit.language, locks) for text in texts)
