"""The pages of a report: one with all figures, one for each language, one for each category."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from palo import languages, storage
from palo.evaluate.leaderboard import Leaderboard, ModelResult
from palo.evaluate.measures import Summary
from palo.evaluate.reports.cards import Images, cards
from palo.evaluate.reports.tables import Table
from palo.html.language_label import language_label
from palo.html.markup import Markup, element, joined, table
from palo.html.page import Section, page

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
        board: What they show.
        tables: Tables of scores, by the name of their section.
        charts: PNG files beside the pages, by what they show.

    Returns:
        The first page.

    Raises:
        StorageError: If they can't be written.
    """
    images = Images()
    links = []
    for code in board.bench.codes:
        items = [item for item in board.bench.items if item.language == code]
        label = language_label(code)
        links.append(_page(folder, f"language-{code}", label, board, cards(board, items, images)))
    for category in board.bench.categories:
        items = [item for item in board.bench.items if item.category == category]
        name = f"category-{_file_name(category)}"
        body = cards(board, items, images)
        links.append(_page(folder, name, Markup.text(category), board, body))
    path = folder / "report.html"
    sections = [*_figures(board, tables, charts), Section("answers", "Answers", _links(links))]
    storage.write_text(
        path, page(f"Results on {board.bench.source.title}", _facts(board), sections)
    )
    return path


def _page(folder: Path, name: str, label: Markup, board: Leaderboard, body: Markup) -> Markup:
    back = element("p", element("a", "All figures", href="report.html"))
    section = Section("answers", "Answers", joined(back, body))
    title = re.sub(r"<[^<>]*>", "", label)
    storage.write_text(
        folder / f"{name}.html", page(f"{board.bench.source.title}: {title}", "", [section])
    )
    return element("li", element("a", label, href=f"{name}.html"))


def _links(links: list[Markup]) -> Markup:
    return element("ul", *links, class_="links")


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
        rows = [(row, *map(_cell, cells)) for row, cells in one.rows.items()]
        body = table(one.title, ("", *one.columns), rows)
        yield Section(name, one.title, joined(body, element("p", one.note, class_="soft")))
    for title, path in charts.items():
        image = element("img", src=_png(path), alt=title, class_="chart")
        yield Section(path.stem, title, image)
    if board.differences:
        yield Section("differences", "Is it noise?", _differences(board))
    yield Section("measures", "Without a judge", joined(*map(_measures, board.models)))
    if any(one.yes_no for model in board.models for one in model.summaries.values()):
        body = joined(*map(_yes_no, board.models))
        yield Section("yes-no", "Yes and no (POPE)", body)
    yield Section("defects", "What went wrong", _defects(board))


def _cell(text: str) -> Markup:
    """Returns a number with its interval below it, so that all columns find room."""
    number, bracket, rest = text.partition(" [")
    interval = element("span", rest.removesuffix("]").replace(", ", "–"), class_="interval")
    return joined(number, interval) if bracket else Markup.text(text)


def _png(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(storage.read_bytes(path)).decode()}"


def _differences(board: Leaderboard) -> Markup:
    first = board.models[0].name
    return joined(
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
    return language_label(name) if languages.known(name) else Markup.text(f"average, {name}")


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
        return element("p", "Nothing: every question has an answer and, with a judge, a score.")
    return table(
        "Questions and lines by what is wrong", ("", "what", "count"), rows, name_columns=2
    )
