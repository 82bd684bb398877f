"""The figures of a comparison, over all prompts and by language, and what a model card says."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from palo.config import check
from palo.evaluate.model_comparison.comparing import PromptComparison
from palo.evaluate.model_comparison.prompts import ComparisonPrompt
from palo.metrics.intervals import percentile_interval, resampling_weights, wilson

_SEED = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredShare:
    """A share from 0 to 1 with its 95 % interval.

    Attributes:
        value: The share.
        low: Low end of the interval.
        high: High end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonFigures:
    """The figures of some prompts.

    Attributes:
        num_prompts: Prompts.
        num_images: Distinct images.
        num_tokens: Tokens of the first model's answers, at each of which logits are compared.
        most_difference: Largest difference of two logits.
        mean_difference: Mean difference of two logits.
        mean_kl: Mean Kullback-Leibler divergence in nats a token.
        agreement: Share of these tokens that are the first choice of both models; its interval is
            of a bootstrap over images. Where all agree, it is Wilson's, with images as trials.
        identical: Share of prompts that both models answer with the same tokens; Wilson's interval.
        common: Share of the first model's tokens before the first one that differs.
    """

    num_prompts: int
    num_images: int
    num_tokens: int
    most_difference: float
    mean_difference: float
    mean_kl: float
    agreement: MeasuredShare
    identical: MeasuredShare
    common: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonSummary:
    """A comparison as a model card quotes it.

    Attributes:
        first: Name of the model that the other one is measured by.
        first_id: Id of its lineage.
        second: Name of the other one.
        second_id: Id of its lineage.
        languages: ISO 639-1 codes of the prompts, in their order.
        origin: Where the prompts come from, seeds included.
        most_tokens: Most tokens of an answer.
        figures: Over all prompts.
        by_language: The same for each language.
        same_prompts: Whether both models' own layouts give the same prompts; None where one has no
            layout.
    """

    first: str
    first_id: str
    second: str
    second_id: str
    languages: tuple[str, ...]
    origin: str
    most_tokens: int
    figures: ComparisonFigures
    by_language: Mapping[str, ComparisonFigures]
    same_prompts: bool | None

    @property
    def sentence(self) -> str:
        """One sentence with the figures and what they rest on."""
        own = self.figures
        return (
            f"Compared with {self.first} on {own.num_prompts:,} prompts about "
            f"{own.num_images:,} images ({len(self.languages)} languages, {self.origin}): "
            f"{own.identical} of the greedy answers are identical, {own.agreement} of "
            f"{own.num_tokens:,} tokens are the first choice of both; logits differ by "
            f"{own.mean_difference:.2g} in the mean and {own.most_difference:.2g} at most, "
            f"KL {own.mean_kl:.2g} nats a token."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """What a model must reach to pass for another one.

    Attributes:
        least_agreement: Least share of tokens that are the first choice of both models; None asks
            for nothing.
        most_difference: Largest difference that two logits may have; None allows any.
    """

    least_agreement: float | None = None
    most_difference: float | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.least_agreement is not None and not 0 <= self.least_agreement <= 1:
            yield f"least_agreement is {self.least_agreement} but must be from 0 to 1"
        if self.most_difference is not None and self.most_difference < 0:
            yield f"most_difference is {self.most_difference} but can't be negative"

    def failures(self, summary: ComparisonSummary) -> list[str]:
        """Returns what a model doesn't reach, in words; nothing where it passes.

        Args:
            summary: Its comparison.

        Raises:
            ConfigError: If a bound is out of range.
        """
        check(self)
        own, found = summary.figures, []
        if self.least_agreement is not None and own.agreement.value < self.least_agreement:
            found.append(
                f"{own.agreement.value:.2%} of the tokens agree, less than "
                f"{self.least_agreement:.2%}"
            )
        if self.most_difference is not None and own.most_difference > self.most_difference:
            found.append(
                f"logits differ by up to {own.most_difference:.3g}, more than "
                f"{self.most_difference:g}"
            )
        if summary.same_prompts is False:
            found.append("its chat template gives other prompts")
        return found


def figures_of(
    prompts: Sequence[ComparisonPrompt], compared: Sequence[PromptComparison]
) -> ComparisonFigures:
    """Returns the figures of some prompts.

    Args:
        prompts: At least one.
        compared: The comparison of each.
    """
    tokens = np.array([one.num_first for one in compared], dtype=np.float64)
    agreeing = np.array([one.num_agreeing for one in compared], dtype=np.float64)
    num_identical = sum(one.is_identical for one in compared)
    low, high = wilson(num_identical, len(compared))
    return ComparisonFigures(
        num_prompts=len(compared),
        num_images=len({one.image for one in prompts} - {None}),
        num_tokens=int(tokens.sum()),
        most_difference=max(one.most_difference for one in compared),
        mean_difference=float(
            np.average([one.mean_difference for one in compared], weights=tokens)
        ),
        mean_kl=float(np.average([one.mean_kl for one in compared], weights=tokens)),
        agreement=_agreement(prompts, agreeing, tokens),
        identical=MeasuredShare(value=num_identical / len(compared), low=low, high=high),
        common=fmean(one.num_common / one.num_first for one in compared),
    )


def _agreement(
    prompts: Sequence[ComparisonPrompt],
    agreeing: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    tokens: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> MeasuredShare:
    clusters: dict[Hashable, int] = {}
    for one in prompts:
        clusters.setdefault(one.image or one.key, len(clusters))
    sums = np.zeros((len(clusters), 2))
    for one, agrees, count in zip(prompts, agreeing, tokens, strict=True):
        sums[clusters[one.image or one.key]] += (agrees, count)
    share = float(agreeing.sum() / tokens.sum())
    if share in (0.0, 1.0):  # all samples would be alike, however few there are
        low, high = wilson(round(share) * len(clusters), len(clusters))
    else:
        resampled = resampling_weights(len(clusters), _SEED) @ sums
        low, high = percentile_interval(resampled[:, 0] / resampled[:, 1])
    return MeasuredShare(value=share, low=low, high=high)


def by_language(
    prompts: Sequence[ComparisonPrompt], compared: Sequence[PromptComparison]
) -> dict[str, ComparisonFigures]:
    """Returns the figures of each language, in the order of the first prompts.

    Args:
        prompts: The prompts.
        compared: The comparison of each.
    """
    groups: dict[str, tuple[list[ComparisonPrompt], list[PromptComparison]]] = {}
    for prompt, one in zip(prompts, compared, strict=True):
        own = groups.setdefault(prompt.language, ([], []))
        own[0].append(prompt)
        own[1].append(one)
    return {code: figures_of(*own) for code, own in groups.items()}


def same_prompts(compared: Sequence[PromptComparison]) -> bool | None:
    """Returns whether both layouts give the same prompts; None where one model has no layout.

    Args:
        compared: Any number of comparisons.
    """
    told = [one.same_prompt for one in compared if one.same_prompt is not None]
    return all(told) if told else None


def comparison_lines(summary: ComparisonSummary) -> list[str]:
    """Returns the figures as lines of a table.

    Args:
        summary: The comparison.
    """
    rows = [("all", summary.figures), *summary.by_language.items()]
    lines = [
        f"{'':5} {'prompts':>7} {'tokens':>7} {'same answer':>24} {'same first choice':>24} "
        f"{'mean diff':>10} {'most diff':>10} {'KL':>9}"
    ]
    lines += [
        f"{name:5} {own.num_prompts:7,} {own.num_tokens:7,} {own.identical!s:>24} "
        f"{own.agreement!s:>24} {own.mean_difference:10.2g} {own.most_difference:10.2g} "
        f"{own.mean_kl:9.2g}"
        for name, own in rows
    ]
    if summary.same_prompts is False:
        lines.append("The models' own layouts give different prompts; the first one's were used.")
    return lines
