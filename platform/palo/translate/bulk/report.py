"""The quality report of a job, by language: JSON for programs, a page for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from palo import storage
from palo.html.page import Section, language_label, page, table
from palo.translate.bulk.outputs import LanguageCounts

_MOST_REASONS = 20
_SHOWN = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What a job has cost.

    Attributes:
        cost: Money, in the currency of the prices.
        tokens_in: Tokens that were read.
        tokens_out: Tokens that were written.
        answers: Answers that came.
        requests: Requests that were sent, attempts included.
        requests_without_answer: Of those, the ones that no answer is known of.
        open_cost: The most that these may have cost beside `cost`.
    """

    cost: float
    tokens_in: int
    tokens_out: int
    answers: int
    requests: int
    requests_without_answer: int
    open_cost: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationReport:
    """What a job has come to.

    Attributes:
        languages: The account of each language.
        costs: What it has cost.
        bad_rows: Rows of the source that are no conversations, by reason.
        lost: Conversations that got no answer in the last run, by reason.
        bad_examples: What was seen of the first bad row of each reason.
        lost_examples: What was seen of the first such conversation of each reason.
    """

    languages: Mapping[str, LanguageCounts]
    costs: Costs
    bad_rows: Mapping[str, int]
    lost: Mapping[str, int]
    bad_examples: Mapping[str, str] = field(default_factory=dict)
    lost_examples: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_missing(self) -> int:
        """Conversations that are not translated yet, in all languages."""
        return sum(account.missing for account in self.languages.values())

    def to_json(self) -> dict[str, Any]:
        """Returns the report as JSON values."""
        return {
            "languages": {code: own.to_json() for code, own in self.languages.items()},
            "costs": asdict(self.costs),
            "bad_rows": dict(self.bad_rows),
            "lost": dict(self.lost),
            "bad_examples": dict(self.bad_examples),
            "lost_examples": dict(self.lost_examples),
        }


def write_report(folder: Path, report: TranslationReport) -> Path:
    """Writes report.json and report/index.html.

    Args:
        folder: The job's folder.
        report: What it has come to.

    Returns:
        The page.
    """
    storage.write_json(folder / "report.json", report.to_json())
    path = folder / "report" / "index.html"
    done = sum(account.done for account in report.languages.values())
    subtitle = f"{done:,} conversations translated, {report.num_missing:,} to come"
    sections = [
        Section("languages", "Languages", _languages(report)),
        Section("checks", "What the checks saw", _checks(report)),
        Section("costs", "Costs", _costs(report)),
        Section("makers", "Translators", _makers(report)),
    ]
    if report.bad_rows or report.lost:
        sections.append(Section("left", "What isn't translated", _left(report)))
    storage.write_text(path, page("Translation", subtitle, sections))
    return path


def _languages(report: TranslationReport) -> Markup:
    head = (
        "language", "records", "of these reviewed", "in review", "rejected", "quarantine",
        "to come", "asked for once",
    )  # fmt: skip
    rows = []
    for code, own in report.languages.items():
        counts = (own.records, own.reviewed, own.review, own.rejected, own.quarantine, own.missing)
        at_once = _share(own.attempts[1], sum(own.attempts.values()))
        rows.append((language_label(code), *(f"{count:,}" for count in counts), at_once))
    return table("What became of the conversations", head, rows)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _checks(report: TranslationReport) -> Markup:
    rows: list[tuple[str, ...]] = []
    for code, own in report.languages.items():
        for (check, decision), count in own.checks.most_common(_MOST_REASONS):
            share = _share(count, own.done)
            reasons = "; ".join(own.examples.get(check, ()))
            rows.append((language_label(code), check, decision, reasons, f"{count:,}", share))
    if not rows:
        return Markup("<p>The checks accepted everything.</p>")
    head = ("language", "check", "decision", "for example", "conversations", "share")
    return table("Faults that were left after the last attempt", head, rows, name_columns=4)


def _costs(report: TranslationReport) -> Markup:
    costs = report.costs
    rows: list[tuple[str, ...]] = [
        ("money", f"{costs.cost:,.4g}"),
        ("tokens read", f"{costs.tokens_in:,}"),
        ("tokens written", f"{costs.tokens_out:,}"),
        ("answers", f"{costs.answers:,}"),
        ("requests, attempts included", f"{costs.requests:,}"),
        ("requests that no answer is known of", f"{costs.requests_without_answer:,}"),
        ("the most that these may have cost", f"{costs.open_cost:,.4g}"),
    ]
    return table("What it has cost", ("what", "how much"), rows)


def _makers(report: TranslationReport) -> Markup:
    rows: list[tuple[str, ...]] = [
        (language_label(code), translator, prompt or "–", f"{count:,}")
        for code, own in report.languages.items()
        for (translator, prompt), count in own.translators.most_common()
    ]
    head = ("language", "translator", "prompt", "conversations")
    return table("Who translated, with which prompt", head, rows, name_columns=3)


def _left(report: TranslationReport) -> Markup:
    parts = [
        table(
            caption,
            ("why", "how many", "the first"),
            [(why, f"{n:,}", examples.get(why, "")[:_SHOWN]) for why, n in counts.items()],
        )
        for caption, counts, examples in (
            ("Rows of the source that are no conversations", report.bad_rows, report.bad_examples),
            ("Conversations that got no answer in the last run", report.lost, report.lost_examples),
        )
        if counts
    ]
    return Markup().join(parts)
