"""What a corpus's account has to say, as the sections of a page."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from palo import languages
from palo.corpus.report.charts import bars, histogram
from palo.corpus.report.examples import in_order
from palo.data.manifest import LENGTH_STEP, LanguageCount, Manifest, StageCount
from palo.html.language_label import language_label
from palo.html.markup import Markup, element, joined, table

_NOTHING = element("span", "0", class_="none")


def number(value: float) -> Markup:
    """Returns a number as a table has it; nothing is faint."""
    return Markup.text(f"{value:,}") if value else _NOTHING


def share(part: float, whole: float) -> str:
    """Returns a share in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def tiles(manifest: Manifest) -> Markup:
    """Returns the figures that matter most."""
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
    return element(
        "ul",
        *(element("li", element("strong", value), name) for name, value in values.items()),
        class_="tiles",
    )


def short(value: float) -> str:
    """Returns a large number with three digits: 1.23 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def account(stages: Sequence[StageCount]) -> Markup:
    """Returns where each row went: rows in and out of each step, and why some were left out."""
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
    if not rows:
        return joined(steps, element("p", "No row was left out."))
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
    return joined(steps, reasons)


def by_language(manifest: Manifest) -> Markup:
    """Returns how much there is in each language, and of which source."""
    counts = {count.language: count for count in manifest.languages}
    absent = [languages.get(code).name for code in languages.codes() if code not in counts]
    chart = bars(
        "Records by language",
        {
            code: (count.num_records, _records_in_words(count, manifest))
            for code, count in counts.items()
        },
        low=_low(counts),
    )
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
    missing = f"No record is in {', '.join(absent)}." if absent else ""
    key = element(
        "p",
        element("span", "", class_="key"),
        "high-resource ",
        element("span", "", class_="key low"),
        f"low-resource. {missing}",
        class_="soft",
    )
    return joined(key, chart, sources if names else "")


def _records_in_words(count: LanguageCount, manifest: Manifest) -> str:
    total = sum(language.num_records for language in manifest.languages)
    return f"{count.num_records:,} · {share(count.num_records, total)}"


def _low(codes: Mapping[str, object]) -> frozenset[str]:
    return frozenset(
        code for code in codes if languages.known(code) and languages.get(code).resource == "low"
    )


def lengths(manifest: Manifest) -> Markup:
    """Returns how long samples are in each language, and what was split or cut for its length."""
    limits = manifest.settings.get("limits", {})
    limit = limits.get("max_text_tokens")
    low = _low({count.language: 1 for count in manifest.languages})
    size = max((len(count.lengths) for count in manifest.languages), default=0)
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
    what = {"split": "are split between rounds", "truncate": "are cut off"}
    rule = what.get(limits.get("overflow"), "")
    said = (
        f"A sample holds at most {limit:,} text tokens (the dashed line); "
        f"longer conversations {rule}."
        if limit
        else ""
    )
    return joined(element("p", said), element("div", *shapes, class_="shapes"), figures)


def _shape(count: LanguageCount, size: int, limit: int | None, *, is_low: bool) -> Markup:
    values = [*count.lengths, *[0] * (size - len(count.lengths))]
    name = languages.get(count.language).name if languages.known(count.language) else ""
    title = (
        f"Lengths in {name or count.language}: half of the samples have at most "
        f"{count.median_text_tokens:.0f} text tokens, 95 % at most {count.p95_text_tokens:.0f}."
    )
    return element(
        "figure",
        element("figcaption", language_label(count.language)),
        histogram(title, values, LENGTH_STEP, limit),
        element(
            "div",
            element("span", "0"),
            element("span", f"median {count.median_text_tokens:,.0f}"),
            element("span", f"{size * LENGTH_STEP:,} tokens"),
            class_="scale",
            aria_hidden="true",
        ),
        class_="low" if is_low else None,
    )


def mixture(manifest: Manifest) -> Markup:
    """Returns what the mixture took of each language, and what it left."""
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
    """Returns what made the corpus."""
    facts = {
        "fingerprint": manifest.fingerprint,
        "template": manifest.template,
        "tokenizer": manifest.tokenizer_fingerprint,
        "tower": manifest.tower_fingerprint or "-",
        "code": manifest.code_version,
    }
    values = json.dumps(manifest.settings, indent=2, ensure_ascii=False)
    return joined(
        table("What made it.", ("what", "value"), list(facts.items()), name_columns=2),
        element("details", element("summary", "All settings"), element("pre", values, tabindex=0)),
    )
