"""The half of the parallel sentences that nobody tunes the normalizers and checks to.

What the normalizers change in it was read sentence by sentence; `judged_changes.toml` says which
changes were wrong. A change that nobody has read yet counts as wrong.
"""

import hashlib
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from palo import config, storage
from palo.benchmark import Better, Figure
from palo.translate.checks.run import CHECKS
from palo.translate.perturbations.conventions import RuleChange, mended_slips, rule_changes
from palo.translate.perturbations.measure import CheckRates, RateWithInterval, measure, total

Lister = Callable[[str, Sequence[object]], object]
"""Writes a list of examples under a name."""

FIRST_ROW = 500
"""Number of the first held-out row: the sentences stand article by article, and one is in both."""
_MOST_LEFT = 20


def rule_figures(
    rows: Sequence[Mapping[str, str]], codes: Sequence[str], write: Lister, *, seed: int
) -> Iterator[Figure]:
    """Yields what the normalizers change in held-out sentences, and which slips they mend.

    Args:
        rows: All sentences, by ISO 639-1 code.
        codes: The languages.
        write: Writes lists of examples.
        seed: Seed of the slips.
    """
    by_rule: defaultdict[str, list[bool]] = defaultdict(list)
    by_slip: defaultdict[str, list[RateWithInterval]] = defaultdict(list)
    wrong_in_all, mended_in_all = [], []
    for code in codes:
        numbered = [(number, rows[number][code]) for number in range(FIRST_ROW, len(rows))]
        changes = list(rule_changes(numbered, code))
        wrong = [one for one in changes if wrong_rules(one, code)]
        for one in changes:
            for rule in one.rules:
                by_rule[rule].append(rule not in wrong_rules(one, code))
        write(f"held_out_changed_{code}", [_listed(one) for one in changes])
        yield _figure(f"held_out_changed_{code}", len(changes), len(numbered))
        yield _figure(f"held_out_wrongly_changed_{code}", len(wrong), len(numbered), most=0.002)
        wrong_in_all.append(RateWithInterval(count=len(wrong), total=len(numbered)))
        slips = mended_slips([text for _, text in numbered], code, seed=seed)
        write(
            f"slips_left_{code}", [{name: slip.left[:_MOST_LEFT]} for name, slip in slips.items()]
        )
        for name, slip in slips.items():
            by_slip[name].append(RateWithInterval(count=slip.mended, total=slip.total))
        mended_in_all.append(total(rates[-1] for name, rates in by_slip.items() if name in slips))
        yield _rate(f"mended_{code}", mended_in_all[-1])
    yield _rate("held_out_wrongly_changed", total(wrong_in_all), most=0.002)
    yield _rate("mended", total(mended_in_all))
    for rule, verdicts in sorted(by_rule.items()):
        yield _figure(f"rule_precision_{_slug(rule)}", sum(verdicts), len(verdicts), least=0.95)
    for name, rates in sorted(by_slip.items()):
        if (together := total(rates)).total:
            yield _rate(f"mended_{_slug(name)}", together)


def check_figures(
    rows: Sequence[Mapping[str, str]],
    codes: Sequence[str],
    faulty: Mapping[str, Sequence[int]],
    *,
    cases: int,
    seed: int,
) -> Iterator[Figure]:
    """Yields what the checks catch and refuse among the held-out sentences alone.

    Args:
        rows: All sentences, by ISO 639-1 code.
        codes: The languages.
        faulty: Rows that are wrongly translated, by language.
        cases: Most injected errors of each kind in each language.
        seed: Seed of the draws.
    """
    measured: dict[str, CheckRates] = {}
    for code in codes:
        wrong = frozenset(row - FIRST_ROW for row in faulty.get(code, ()) if row >= FIRST_ROW)
        one = measure(rows[FIRST_ROW:], code, cases=cases, seed=seed, faulty=wrong)
        measured[code] = one
        yield _rate(f"held_out_caught_{code}", total(one.caught.values()), least=0.97)
        yield _rate(f"held_out_refused_{code}", one.refused, most=0.015)
    caught = total(share for one in measured.values() for share in one.caught.values())
    yield _rate("held_out_caught", caught, least=0.97)
    yield _rate("held_out_refused", total(one.refused for one in measured.values()), most=0.015)
    num_sentences = sum(one.refused.total for one in measured.values())
    for check in CHECKS:
        count = sum(one.by_check.get(check, 0) for one in measured.values())
        if check not in ("round_trip", "agreement"):  # they need a second opinion
            yield _figure(f"held_out_refused_by_{check}", count, num_sentences)


def wrong_rules(change: RuleChange, code: str) -> Sequence[str]:
    """Returns the rules that changed a held-out sentence wrongly; all of them if nobody read it.

    Args:
        change: A change of a held-out sentence.
        code: ISO 639-1 code of its language.
    """
    judged, key = _judged().get(code, {}), _key(change)
    if key in judged.get("right", ()):
        return ()
    wrong: Mapping[str, Sequence[str]] = judged.get("wrong", {})
    return wrong.get(key, change.rules)


def _listed(change: RuleChange) -> object:
    return {**config.to_dict(change), "key": _key(change)}


def _key(change: RuleChange) -> str:
    """Returns the row and a digest of the normalized sentence, which names a change."""
    return f"{change.row}:{hashlib.blake2s(change.after.encode(), digest_size=4).hexdigest()}"


@cache
def _judged() -> Mapping[str, Mapping[str, Any]]:
    path = Path(__file__).parent / "judged_changes.toml"
    return tomllib.loads(storage.read_text(path))


def _slug(name: str) -> str:
    return name.lower().replace("'", "").replace(" ", "_").replace("-", "_")


def _figure(
    name: str, count: int, of: int, *, least: float | None = None, most: float | None = None
) -> Figure:
    return _rate(name, RateWithInterval(count=count, total=of), least=least, most=most)


def _rate(
    name: str, rate: RateWithInterval, *, least: float | None = None, most: float | None = None
) -> Figure:
    low, high = rate.interval
    target = most if least is None else least
    better: Better | None = None if target is None else "lower" if least is None else "higher"
    return Figure(
        name=name, value=rate.value, unit="1", low=low, high=high, target=target, better=better
    )
