"""A corpus's account as the sections of a page."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from palo import languages
from palo.corpus.report.cards import TEMPLATES
from palo.corpus.report.examples import in_order
from palo.data.manifest import LENGTH_STEP, LanguageCount, Manifest, StageCount
from palo.html.page import language_label, table

_NOTHING = Markup('<span class="none">0</span>')
_WIDTH, _HEIGHT = 260, 72
_OVERFLOW = {"split": "are split between rounds", "truncate": "are cut off"}


def number(value: float) -> Markup:
    """Returns a number as a table has it; nothing is faint.

    Args:
        value: The number.
    """
    return Markup(f"{value:,}") if value else _NOTHING  # noqa: S704 - a number


def share(part: float, whole: float) -> str:
    """Returns a share in percent.

    Args:
        part: The part.
        whole: The whole.
    """
    return f"{100 * part / whole:.1f} %" if whole else "-"


def figures(manifest: Manifest) -> Markup:
    """Returns the figures that matter most.

    Args:
        manifest: The corpus's manifest.
    """
    first, last = manifest.stages[0], manifest.stages[-1]
    counts = manifest.languages
    values = {
        "samples": f"{manifest.num_samples:,}",
        "records": f"{last.rows_out:,}",
        "of the rows read": share(last.rows_out, first.rows_in),
        "languages": f"{len(counts)}",
        "images": f"{manifest.num_images:,}",
        "text tokens": short(sum(count.num_text_tokens for count in counts)),
        "of them trained": share(
            sum(count.num_target_tokens for count in counts),
            sum(count.num_text_tokens for count in counts),
        ),
    }
    return TEMPLATES.render("figures.html", figures=values)


def short(value: float) -> str:
    """Returns a large number with three digits: 1.23 M.

    Args:
        value: The number.
    """
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def account(stages: Sequence[StageCount]) -> Markup:
    """Returns where each row went: rows in and out of each step, and why some were left out.

    Args:
        stages: The account of each step.
    """
    steps = table(
        "Rows through the steps of the build: in = out + left out, each time.",
        ("step", "in", "out", "left out", "share"),
        [
            (
                stage.name.replace("_", " "),
                number(stage.rows_in),
                number(stage.rows_out),
                number(stage.num_dropped),
                share(stage.num_dropped, stage.rows_in) if stage.num_dropped else _NOTHING,
            )
            for stage in stages
        ],
    )
    rows = [
        (reason, stage.name.replace("_", " "), counts)
        for stage in stages
        for reason, counts in stage.dropped.items()
    ]
    codes = in_order(Counter({code: 1 for _, _, counts in rows for code in counts}))
    reasons = table(
        "Rows left out, by reason and language.",
        ("reason", "step", "all", *codes),
        [
            (reason, step, number(sum(counts.values())), *(number(counts.get(c, 0)) for c in codes))
            for reason, step, counts in rows
        ],
        name_columns=2,
    )
    return TEMPLATES.render("rows.html", steps=steps, reasons=reasons if rows else None)


def by_language(manifest: Manifest) -> Markup:
    """Returns the number of records by language and source.

    Args:
        manifest: The corpus's manifest.
    """
    counts = {count.language: count for count in manifest.languages}
    absent = [languages.get(code).name for code in languages.codes() if code not in counts]
    most = max((count.num_records for count in counts.values()), default=0) or 1
    low = _low(counts)
    bars = [
        {
            "language": code,
            "percent": 100 * count.num_records / most,
            "label": _records_in_words(count, manifest),
            "is_low": code in low,
        }
        for code, count in counts.items()
    ]
    names = [source.name for source in manifest.sources]
    sources = table(
        "Records by language and source.",
        ("language", *names, "all"),
        [
            (
                language_label(code),
                *(number(source.num_records.get(code, 0)) for source in manifest.sources),
                number(count.num_records),
            )
            for code, count in counts.items()
        ],
    )
    return TEMPLATES.render(
        "languages.html", absent=absent, bars=bars, sources=sources if names else ""
    )


def _records_in_words(count: LanguageCount, manifest: Manifest) -> str:
    total = sum(language.num_records for language in manifest.languages)
    return f"{count.num_records:,} · {share(count.num_records, total)}"


def _low(codes: Mapping[str, object]) -> frozenset[str]:
    return frozenset(
        code for code in codes if languages.known(code) and languages.get(code).resource == "low"
    )


def lengths(manifest: Manifest) -> Markup:
    """Returns the lengths of samples by language, and how many were split or cut.

    Args:
        manifest: The corpus's manifest.
    """
    limits = manifest.settings.get("limits", {})
    limit = limits.get("max_text_tokens")
    low = _low({count.language: 1 for count in manifest.languages})
    size = max((len(count.lengths) for count in manifest.languages), default=0)
    # The limit must lie within the chart, or its line would stand where another length is.
    size = max(size, math.ceil((limit or 0) / LENGTH_STEP))
    shapes = [
        _shape(count, size, limit, is_low=count.language in low)
        for count in manifest.languages
        if count.lengths
    ]
    figures = table(
        "Text tokens of a sample, and what became of conversations that were too long.",
        ("language", "median", "95 %", "longest", "tokens", "trained", "split", "cut", "cut share",
         "parts left out"),
        [
            (
                language_label(count.language),
                number(round(count.median_text_tokens)),
                number(round(count.p95_text_tokens)),
                number(count.max_text_tokens),
                short(count.num_text_tokens),
                share(count.num_target_tokens, count.num_text_tokens),
                number(count.num_split),
                number(count.num_cut),
                share(count.num_cut, count.num_samples) if count.num_cut else _NOTHING,
                number(count.num_dropped_parts),
            )
            for count in manifest.languages
        ],
    )  # fmt: skip
    return TEMPLATES.render(
        "lengths.html",
        limit=limit,
        overflow=_OVERFLOW.get(limits.get("overflow"), ""),
        width=_WIDTH,
        height=_HEIGHT,
        shapes=shapes,
        figures=figures,
    )


def _shape(
    count: LanguageCount, size: int, limit: int | None, *, is_low: bool
) -> dict[str, object]:
    """Returns the histogram of a language's lengths, with the numbers that the SVG needs.

    Args:
        count: The language's account.
        size: Number of bars.
        limit: The longest that is allowed, in tokens.
        is_low: Whether the language is low-resource.
    """
    values = [*count.lengths, *[0] * (size - len(count.lengths))]
    name = languages.get(count.language).name if languages.known(count.language) else ""
    most = max(values, default=0) or 1
    width = _WIDTH / max(1, len(values))
    share_of_limit = (limit or 0) / (LENGTH_STEP * max(1, len(values)))
    return {
        "language": count.language,
        "title": (
            f"Lengths in {name or count.language}: half of the samples have at most "
            f"{count.median_text_tokens:.0f} text tokens, 95 % at most "
            f"{count.p95_text_tokens:.0f}."
        ),
        "is_low": is_low,
        "columns": [
            {
                "x": f"{number * width:.2f}",
                "y": f"{_HEIGHT - _HEIGHT * value / most:.2f}",
                "width": f"{max(width - 0.6, 0.5):.2f}",
                "height": f"{_HEIGHT * value / most:.2f}",
            }
            for number, value in enumerate(values)
        ],
        "limit": None if limit is None else f"{share_of_limit * _WIDTH:.2f}",
        "median": f"median {count.median_text_tokens:,.0f}",
        "longest": f"{size * LENGTH_STEP:,} tokens",
    }


def mixture(manifest: Manifest) -> Markup:
    """Returns how many records of each language the mixture chose.

    Args:
        manifest: The corpus's manifest.
    """
    taken = Counter({count.language: count.num_records for count in manifest.languages})
    left: Counter[str] = Counter()
    for stage in manifest.stages:
        for counts in stage.dropped.values():
            if stage.name == "mixture":
                left.update(counts)
            elif stage.name == "encode":  # chosen before it was left out
                taken.update(counts)
    return table(
        "Records that the mixture chose from those that were good.",
        ("language", "chosen", "not chosen", "share chosen"),
        [
            (
                language_label(code),
                number(taken[code]),
                number(left[code]),
                share(taken[code], taken[code] + left[code]),
            )
            for code in in_order({**taken, **left})
        ],
    )


def settings(manifest: Manifest) -> Markup:
    """Returns the settings and fingerprints of the build.

    Args:
        manifest: The corpus's manifest.
    """
    facts = {
        "fingerprint": manifest.fingerprint,
        "template": manifest.template,
        "tokenizer": manifest.tokenizer_fingerprint,
        "tower": manifest.tower_fingerprint or "-",
        "code": manifest.code_version,
    }
    return TEMPLATES.render(
        "settings.html",
        facts=table("What made it.", ("what", "value"), list(facts.items()), name_columns=2),
        settings=json.dumps(manifest.settings, indent=2, ensure_ascii=False),
    )
