"""The pages of a report: one with all figures, one for each language, one for each category."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from palo import languages, storage
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.leaderboard import Leaderboard, ModelResult
from palo.evaluate.measures import Summary
from palo.evaluate.reports.cards import TEMPLATES, Images, cards
from palo.evaluate.reports.tables import Table
from palo.html.page import Section, language_label, page, table

_MEASURES = (
    "answers", "exact", "relaxed", "chrF", "letters", "fidelity", "unsure", "empty",
    "repeats", "refuses", "cut off", "hallucinated", "offline judge (1-5)",
)  # fmt: skip
_YES_NO = ("questions", "right", "precision", "recall", "F1", "says yes", "says neither")


def write_pages(
    folder: Path, board: Leaderboard, tables: Mapping[str, Table], charts: Mapping[str, Path]
) -> Path:
    """Writes all pages.

    Args:
        folder: Where to.
        board: The results.
        tables: Tables of scores, by the name of their section.
        charts: PNG files beside the pages, by what they show.

    Returns:
        The first page.

    Raises:
        StorageError: If they can't be written.
    """
    images = Images()
    pages: dict[str, tuple[str, str, list[BenchItem]]] = {}
    for code in board.bench.codes:
        items = [item for item in board.bench.items if item.language == code]
        name = f"language-{code}.html"
        pages[name] = (languages.get(code).name, language_label(code), items)
    for category in board.bench.categories:
        items = [item for item in board.bench.items if item.category == category]
        pages[f"category-{_file_name(category)}.html"] = (category, category, items)
    path = folder / "report.html"
    bench = board.bench.source.title
    for name, (title, _, items) in pages.items():
        section = Section("answers", "Answers", cards(board, items, images, path.name))
        storage.write_text(folder / name, page(f"{bench}: {title}", "", [section]))
    links = {name: label for name, (_, label, _) in pages.items()}
    sections = [*_figures(board, tables, charts), Section("answers", "Answers", _part(links=links))]
    storage.write_text(path, page(f"Results on {bench}", _facts(board), sections))
    return path


def _part(
    *tables: Markup,
    note: str = "",
    chart: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> Markup:
    return TEMPLATES.render("figures.html", tables=tables, note=note, chart=chart, links=links)


def _file_name(category: str) -> str:
    return re.sub(r"[^\w-]", "_", category)


def _facts(board: Leaderboard) -> str:
    bench = board.bench
    facts = f"{len(bench.items)} questions, version {bench.hash}, licence: {bench.source.licence}."
    if board.judge is None:
        return f"{facts} Not judged."
    judge = board.judge
    orders = "both orders" if judge.both_orders else "the reference always first"
    return f"{facts} Judge {judge.model}, scheme {judge.scheme}, {orders}, {judge.repeats} each."


def _figures(
    board: Leaderboard, tables: Mapping[str, Table], charts: Mapping[str, Path]
) -> Iterator[Section]:
    for name, one in tables.items():
        order = _measured_first(one)
        rows = [(row, *(_cell(cells[n]) for n in order)) for row, cells in one.rows.items()]
        body = table(one.title, ("", *(one.columns[n] for n in order)), rows)
        yield Section(name, one.title, _part(body, note=one.note))
    for title, path in charts.items():
        yield Section(path.stem, title, _part(chart={"uri": _png(path), "title": title}))
    if board.differences:
        yield Section("differences", "Is it noise?", _differences(board))
    yield Section("measures", "Without a judge", _part(*map(_measures, board.models)))
    if any(one.yes_no for model in board.models for one in model.summaries.values()):
        body = _part(*map(_yes_no, board.models))
        yield Section("yes-no", "Yes and no (POPE)", body)
    yield Section("defects", "What went wrong", _defects(board))


def _measured_first(one: Table) -> list[int]:
    """Returns the columns, those without a number of the first model at the end of them.

    A telephone shows three columns: they should be the ones that were measured.
    """
    first = next(iter(one.rows.values()), ())
    return sorted(range(len(one.columns)), key=lambda number: not (first and first[number]))


def _cell(text: str) -> Markup:
    """Returns a number with its interval below it, so that all columns find room."""
    number, bracket, rest = text.partition(" [")
    if not bracket:
        return Markup.escape(text)
    interval = rest.removesuffix("]").replace(", ", "–")
    return TEMPLATES.render("interval.html", number=number, interval=interval)


def _png(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(storage.read_bytes(path)).decode()}"


def _differences(board: Leaderboard) -> Markup:
    first = board.models[0].name
    return _part(
        *(
            table(
                f"{name} against {first}",
                ("", "difference"),
                [(_group(group), one.note()) for group, one in groups.items()],
                name_columns=2,
            )
            for name, groups in board.differences.items()
        )
    )


def _group(name: str) -> Markup:
    return language_label(name) if languages.known(name) else Markup.escape(f"average, {name}")


def _measures(model: ModelResult) -> Markup:
    rows = [(language_label(code), *_cells(one)) for code, one in model.summaries.items()]
    return table(model.name, ("", *_MEASURES), rows)


def _cells(one: Summary) -> tuple[str, ...]:
    shares = (one.fidelity, one.unsure, one.empty, one.repeats, one.refuses, one.cut_off)
    return (
        f"{one.num_answers:,}",
        f"{one.exact:.1%}",
        f"{one.relaxed:.1%}",
        f"{one.chrf:.1f}",
        f"{one.mean_characters:.0f}",
        *("" if share is None else f"{share:.1%}" for share in (*shares, one.hallucinated)),
        "" if one.offline is None else f"{one.offline:.2f}",
    )


def _yes_no(model: ModelResult) -> Markup:
    rows = []
    for code, one in model.summaries.items():
        if one.yes_no is not None:
            count, *shares = asdict(one.yes_no).values()
            rows.append((language_label(code), f"{count:,}", *(f"{s:.1%}" for s in shares)))
    return table(model.name, ("", *_YES_NO), rows)


def _defects(board: Leaderboard) -> Markup:
    rows: list[tuple[str, ...]] = []
    for model in board.models:
        counts = dict(model.defects)
        if model.judged is not None:
            counts |= {f"no score: {k}": n for k, n in model.judged.unscored_by_reason.items()}
        rows += [(model.name, what, f"{count:,}") for what, count in counts.items()]
    if not rows:
        return _part(note="Nothing: every question has an answer and, with a judge, a score.")
    return table(
        "Questions and lines by what is wrong", ("", "what", "count"), rows, name_columns=2
    )
