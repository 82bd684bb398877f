"""A whole comparison of two folders: load, compare, summarise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palo.errors import ConfigError
from palo.evaluate.model_comparison.comparing import PromptComparison, compare_models
from palo.evaluate.model_comparison.opening import open_compared
from palo.evaluate.model_comparison.prompts import ComparisonPrompt
from palo.evaluate.model_comparison.summary import (
    ComparisonSummary,
    by_language,
    figures_of,
    same_prompts,
)
from palo.progress import Meter

if TYPE_CHECKING:
    from palo.evaluate.model_comparison.compared_model import ComparedDtype


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedFolder:
    """A model to compare.

    Attributes:
        folder: Its folder.
        dtype: Number format that it computes in; None for bfloat16 on a GPU, float32 without one.
    """

    folder: Path
    dtype: "ComparedDtype | None" = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderComparison:
    """Two models, compared.

    Attributes:
        prompts: The prompts.
        compared: What came of each.
        summary: The figures.
    """

    prompts: Sequence[ComparisonPrompt]
    compared: Sequence[PromptComparison]
    summary: ComparisonSummary


def compare_folders(
    first: ComparedFolder,
    second: ComparedFolder,
    prompts: Sequence[ComparisonPrompt],
    *,
    origin: str,
    most_tokens: int,
    cache: Path,
    say: Callable[[str], None] = lambda line: None,
) -> FolderComparison:
    """Compares two models; both are in memory at once.

    Args:
        first: The model that the other one is measured by.
        second: The other one.
        prompts: The prompts.
        origin: Where they come from, for the report.
        most_tokens: Most tokens of an answer.
        cache: File of results: the same comparison resumes.
        say: Receives lines on the progress.

    Raises:
        ConfigError: If fewer than one token is allowed.
        DataError: If a folder holds no model, or there is no prompt.
        ImageError: If an image can't be used.
        MismatchError: If the models have different vocabularies.
    """
    if most_tokens < 1:
        raise ConfigError("an answer has at least one token", seen=most_tokens, fix="Allow more.")
    one, other = (open_compared(model.folder, model.dtype) for model in (first, second))
    names = _names(first, second, [one.name, other.name])
    meter = Meter("compare", "prompts", say, len(prompts))
    compared = compare_models(
        one,
        other,
        prompts,
        most_tokens=most_tokens,
        cache=cache,
        on_prompt=lambda known: meter.skip(1) if known else meter.add(1),
    )
    meter.finish()
    summary = ComparisonSummary(
        first=names[0],
        first_id=one.id,
        second=names[1],
        second_id=other.id,
        languages=tuple(dict.fromkeys(prompt.language for prompt in prompts)),
        origin=origin,
        most_tokens=most_tokens,
        figures=figures_of(prompts, compared),
        by_language=by_language(prompts, compared),
        same_prompts=same_prompts(compared),
    )
    return FolderComparison(prompts=prompts, compared=compared, summary=summary)


def _names(first: ComparedFolder, second: ComparedFolder, names: Sequence[str]) -> tuple[str, str]:
    """Returns names that tell the models apart: with number formats or places where they must."""
    own = [
        f"{name} ({one.dtype})" if one.dtype else name
        for name, one in zip(names, (first, second), strict=True)
    ]
    if own[0] == own[1]:
        own = [str(first.folder), str(second.folder)]
    return own[0], own[1]
