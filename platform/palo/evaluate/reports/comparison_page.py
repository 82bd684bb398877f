"""The page of a comparison: figures by language, and both models' answers side by side."""

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from palo import languages, storage
from palo.evaluate.model_comparison.comparing import PromptComparison
from palo.evaluate.model_comparison.prompts import ComparisonPrompt
from palo.evaluate.model_comparison.run import FolderComparison
from palo.evaluate.model_comparison.summary import ComparisonFigures, MeasuredShare
from palo.evaluate.reports.cards import TEMPLATES, Images
from palo.html.page import Section, language_label, page, table

_COLUMNS = (
    "", "prompts", "same answer", "same first choice", "before the first difference",
    "mean difference of logits", "largest", "KL (nats a token)", "tokens", "images",
)  # fmt: skip


def write_comparison(path: Path, comparison: FolderComparison) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        comparison: The comparison.

    Raises:
        StorageError: If it can't be written.
    """
    own = comparison.summary
    sections = [Section("figures", "Figures", _figures(comparison)), *_answers(comparison)]
    title = f"{own.second} compared with {own.first}"
    storage.write_text(path, page(title, own.sentence, sections))


def _figures(comparison: FolderComparison) -> Markup:
    own = comparison.summary
    rows = [("all", *_cells(own.figures))]
    rows += [(language_label(code), *_cells(one)) for code, one in own.by_language.items()]
    notes = (
        f"{own.first}: {own.first_id}. {own.second}: {own.second_id}. Logits are those of each "
        f"token of the first model's greedy answer of at most {own.most_tokens} tokens, given to "
        "both. Brackets hold 95 % intervals."
    )
    if own.same_prompts is False:
        notes += " The models' own layouts give different prompts; the first one's were used."
    return TEMPLATES.render(
        "figures.html",
        tables=(table("Over all prompts and by language", _COLUMNS, rows),),
        note=notes,
        chart=None,
        links=None,
    )


def _cells(own: ComparisonFigures) -> tuple[str | Markup, ...]:
    return (
        f"{own.num_prompts:,}",
        _share(own.identical),
        _share(own.agreement),
        f"{own.common:.1%}",
        f"{own.mean_difference:.2g}",
        f"{own.most_difference:.2g}",
        f"{own.mean_kl:.2g}",
        f"{own.num_tokens:,}",
        f"{own.num_images:,}",
    )


def _share(one: MeasuredShare) -> Markup:
    interval = f"{one.low:.1%}–{one.high:.1%}"
    return TEMPLATES.render("interval.html", number=f"{one.value:.1%}", interval=interval)


def _answers(comparison: FolderComparison) -> Iterator[Section]:
    """Yields a section for each language, the answers that differ most first."""
    images = Images()
    own = comparison.summary
    pairs = list(zip(comparison.prompts, comparison.compared, strict=True))
    for code in own.languages:
        chosen = [pair for pair in pairs if pair[0].language == code]
        chosen.sort(key=lambda pair: pair[1].num_common / pair[1].num_first)
        title = languages.get(code).name if languages.known(code) else "Language not said"
        body = TEMPLATES.render(
            "comparison.html",
            code=code,
            names=(own.first, own.second),
            cards=[_card(prompt, one, images) for prompt, one in chosen],
        )
        yield Section(f"language-{code}", title, body)


def _card(prompt: ComparisonPrompt, one: PromptComparison, images: Images) -> dict[str, object]:
    remark = (
        "the same tokens"
        if one.is_identical
        else f"the same for {one.num_common} of {one.num_first} tokens"
    )
    return {
        "prompt": prompt,
        "image": None if prompt.image is None else images.shown(prompt.image),
        "answers": (one.first, one.second),
        "is_identical": one.is_identical,
        "remark": remark,
        "figures": f"largest difference {one.most_difference:.2g}, KL {one.mean_kl:.2g}",
    }
