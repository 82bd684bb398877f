"""The mixture: which records a corpus takes, by language, share and source, always the same.

Every record has a rank that depends on the seed, its text and its image alone. Of any group those
with the lowest ranks are chosen. So the choice doesn't depend on the number of workers or the
layout of files, and a larger number takes all that a smaller one took. A new source doesn't change
which records the limit of another source takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from palo import languages
from palo.config import to_dict

# Settings of later versions: where they are None, a mixture is written as it was before them.
_LATER = ("image_languages",)


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureSettings:
    """Which records a corpus is made of; all of them unless said otherwise.

    The limits apply in this order: languages, `per_source`, `per_language`, `text_only_share`,
    `shares` or `temperature`, `total`.

    Attributes:
        languages: ISO 639-1 codes; None takes all.
        image_languages: Which of these a record with an image may be in; None for all of them. A
            record without one is then taken in every language.
        per_source: Most records of a source, by its name.
        per_language: Most records in a language, by its code.
        shares: Weights of languages, by code; others are left out. There are then as many
            records as the scarcest language allows.
        temperature: Evens the languages out: with n records in a language it gets a weight of
            n ** (1 / temperature), in place of `shares`. 1 leaves them as they are, and the larger
            it is, the nearer all come to the scarcest; no record is ever taken twice.
        text_only_share: Largest share of records without an image.
        total: Most records in all.
        seed: Decides which records are chosen where not all are.
    """

    languages: tuple[str, ...] | None = None
    image_languages: tuple[str, ...] | None = None
    per_source: Mapping[str, int] = field(default_factory=dict)
    per_language: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    temperature: float | None = None
    text_only_share: float | None = None
    total: int | None = None
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields one clause for each value that is wrong."""
        named = {
            "languages": self.languages or (),
            "image_languages": self.image_languages or (),
            "per_language": self.per_language,
            "shares": self.shares,
        }
        for name, codes in named.items():
            for code in codes:
                if not languages.known(code):
                    yield f"{name} has {code!r}, not one of {', '.join(languages.codes())}"
        for name in ("languages", "image_languages"):
            if getattr(self, name) == ():
                yield f"{name} must name at least one language"
        for name, counts in (("per_source", self.per_source), ("per_language", self.per_language)):
            for key, count in counts.items():
                if count < 0:
                    yield f"{name} of {key} must not be negative, not {count}"
        for code, share in self.shares.items():
            if not 0 < share < float("inf"):
                yield f"the share of {code} must be above 0, not {share}"
            if self.languages is not None and code not in self.languages:
                yield f"shares has {code!r}, which is not among the languages"
        if self.temperature is not None and not 1 <= self.temperature < float("inf"):
            yield f"temperature must be at least 1, not {self.temperature}"
        if self.temperature is not None and self.shares:
            yield "shares and temperature are two ways to say the same: give one"
        if self.text_only_share is not None and not 0 <= self.text_only_share < 1:
            yield f"text_only_share must be from 0 up to but not 1, not {self.text_only_share}"
        if self.total is not None and self.total < 1:
            yield f"total must be at least 1, not {self.total}"

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages that any record may be chosen in; None for all."""
        return tuple(self.shares) if self.shares else self.languages

    @property
    def takes_all(self) -> bool:
        """Whether every record is chosen."""
        limits = (self.per_source, self.per_language, self.shares)
        wanted = (self.languages, self.image_languages)
        numbers = (self.temperature, self.text_only_share, self.total)
        return not any(limits) and all(value is None for value in (*wanted, *numbers))

    def lines(self) -> Iterator[str]:
        """Yields what is limited, in words; nothing where every record is chosen."""
        if self.languages is not None:
            yield f"languages {', '.join(self.languages)}"
        if self.image_languages is not None:
            yield f"images in {', '.join(self.image_languages)} alone"
        for name, limits in (("source", self.per_source), ("language", self.per_language)):
            if limits:
                counts = ", ".join(f"{key} {count:,}" for key, count in limits.items())
                yield f"at most, by {name}: {counts}"
        if self.shares:
            weight = sum(self.shares.values())
            shares = (f"{code} {share / weight:.1%}" for code, share in self.shares.items())
            yield f"shares {', '.join(shares)}"
        if self.temperature is not None:
            yield f"languages evened out at temperature {self.temperature:g}"
        if self.text_only_share is not None:
            yield f"at most {self.text_only_share:.1%} without an image"
        if self.total is not None:
            yield f"at most {self.total:,} in all"


EVERYTHING = MixtureSettings()
"""Every record is chosen."""


def written(settings: MixtureSettings) -> dict[str, Any]:
    """Returns a mixture as JSON values that name it, the same ones in each version.

    Args:
        settings: The mixture.
    """
    values: dict[str, Any] = to_dict(settings)
    return {k: v for k, v in values.items() if not (k in _LATER and v is None)}


def may_be_chosen(
    settings: MixtureSettings,
    codes: Sequence[str],
    numbers: npt.NDArray[np.int16],
    has_image: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Returns which records are in a language that is wanted.

    Args:
        settings: What is wanted.
        codes: ISO 639-1 codes.
        numbers: (records,) language of each record, as an index into the codes.
        has_image: (records,) whether each has an image.
    """
    chosen = _among(settings.wanted, codes)[numbers]
    return chosen & (~has_image | _among(settings.image_languages, codes)[numbers])


def _among(wanted: Sequence[str] | None, codes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Returns (languages,) whether each is wanted; None wants all."""
    return np.array([wanted is None or code in wanted for code in codes], bool)


def choose(
    settings: MixtureSettings,
    *,
    digests: npt.NDArray[np.uint64],
    sources: npt.NDArray[np.int16],
    names: Sequence[str],
    numbers: npt.NDArray[np.int16],
    codes: Sequence[str],
    has_image: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Chooses records.

    Args:
        settings: What is wanted.
        digests: (records, 2) what each record says and shows.
        sources: (records,) source of each, as an index into the names.
        names: Names of the sources.
        numbers: (records,) language of each, as an index into the codes.
        codes: ISO 639-1 codes.
        has_image: (records,) whether each has an image.

    Returns:
        (records,) whether each is chosen.
    """
    chosen = may_be_chosen(settings, codes, numbers, has_image)
    if settings.takes_all:
        return chosen
    ranked = _by_rank(digests, settings.seed)

    def limit(group: npt.NDArray[np.bool_], count: int) -> None:
        rows = ranked[(group & chosen)[ranked]]
        chosen[rows[count:]] = False

    for number, name in enumerate(names):
        if name in settings.per_source:
            limit(sources == number, settings.per_source[name])
    for number, code in enumerate(codes):
        if code in settings.per_language:
            limit(numbers == number, settings.per_language[code])
    if settings.text_only_share is not None:
        share, shown = settings.text_only_share, int((has_image & chosen).sum())
        limit(~has_image, int(shown * share / (1 - share) + 1e-6))
    counts = np.bincount(numbers[chosen], minlength=len(codes))
    present = {code: int(counts[number]) for number, code in enumerate(codes)}
    if shares := settings.shares or _evened_out(present, settings.temperature):
        quotas = quotas_of(shares, present, settings.total)
        for number, code in enumerate(codes):
            limit(numbers == number, quotas.get(code, 0))
    elif settings.total is not None:
        limit(np.ones(len(chosen), bool), settings.total)
    return chosen


def quotas_of(
    shares: Mapping[str, float], present: Mapping[str, int], total: int | None
) -> dict[str, int]:
    """Returns how many records of each language keep the shares, as many as there can be.

    Args:
        shares: Weights by language.
        present: Records that there are, by language.
        total: Most records in all; None for no limit.
    """
    weight = sum(shares.values())
    most = min(present.get(code, 0) * weight / share for code, share in shares.items())
    size = int(most + 1e-6) if total is None else min(total, int(most + 1e-6))
    exact = {code: size * share / weight for code, share in shares.items()}
    quotas = {code: int(value + 1e-9) for code, value in exact.items()}
    # What rounding left over goes to the largest remainders, by code where they are equal.
    by_rest = sorted(exact, key=lambda code: (quotas[code] - exact[code], code))
    for code in by_rest:
        if sum(quotas.values()) >= size:
            break
        quotas[code] += quotas[code] < present.get(code, 0)
    return quotas


def _evened_out(present: Mapping[str, int], temperature: float | None) -> dict[str, float]:
    """Returns the weights of languages at a temperature; none without one."""
    if temperature is None:
        return {}
    return {code: count ** (1 / temperature) for code, count in present.items() if count}


def _by_rank(digests: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.int64]:
    """Returns the records in the order of their ranks; equal ones stay in their order."""
    key = np.array([seed], np.int64).astype(np.uint64)
    ranks = _mixed(digests[:, 0] ^ _mixed(key)) + _mixed(digests[:, 1] + key)
    return np.argsort(_mixed(ranks), kind="stable")


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spreads each bit of a number over all of them.

    Source:
        SplitMix64's finalizer: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators.
    """
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
