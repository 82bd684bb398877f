"""Tables in the paper's form, as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palo import languages
from palo.evaluate.statistics.paper import PrintedRow, cut_off_averages
from palo.evaluate.statistics.relative import AVERAGES, RelativeScores, averages

_LATEX = str.maketrans({"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$",
                        "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
                        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"})  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Numbers with names.

    Attributes:
        title: The title.
        columns: Names of the columns, without that of the rows' names.
        rows: The texts of the cells, by name of the row; empty where there is no number.
        note: A note below the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    note: str = ""


def paper_table(
    title: str, ours: Mapping[str, RelativeScores], papers: Sequence[PrintedRow]
) -> Table:
    """Returns relative scores by language and their averages, the paper's below ours.

    Args:
        title: What the table is.
        ours: Scores by the name of the model.
        papers: Rows of the paper, as it prints them.
    """
    codes = [c for c in languages.codes() if _is_wanted(c, ours, papers)]
    rows: dict[str, tuple[str, ...]] = {}
    for name, scores in ours.items():
        cells = [_with_spread(scores.by_language.get(code)) for code in codes]
        cells += [_with_spread(scores.averages.get(average)) for average in AVERAGES]
        rows[name] = tuple(cells)
    for row in papers:
        own = averages(row.by_language)
        printed = [
            _one(p) if p is not None else _one(o) for p, o in zip(row.printed, own, strict=True)
        ]
        rows[f"{row.name} (paper)"] = (
            *(_one(row.by_language.get(code)) for code in codes),
            *printed,
        )
    heads = [languages.get(code).name for code in codes]
    cut_off = cut_off_averages(papers)
    note = f"Cut off in the paper, not rounded: {'; '.join(cut_off)}." if cut_off else ""
    return Table(title=title, columns=(*heads, *AVERAGES.values()), rows=rows, note=note)


def _is_wanted(code: str, ours: Mapping[str, RelativeScores], papers: Sequence[PrintedRow]) -> bool:
    return any(code in scores.by_language for scores in ours.values()) or any(
        code in row.by_language for row in papers
    )


def _with_spread(score: object) -> str:
    value, low, high = (getattr(score, name, None) for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return ""
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _one(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def as_markdown(table: Table) -> str:
    """Returns a table as Markdown; the cells' text can't break it.

    Args:
        table: The table.
    """

    def line(cells: Sequence[str]) -> str:
        safe = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
        return f"| {' | '.join(safe)} |"

    heads = ("", *table.columns)
    rule = line([":---", *["---:"] * len(table.columns)])
    rows = [line((name, *cells)) for name, cells in table.rows.items()]
    return "\n".join([f"**{table.title}**", "", line(heads), rule, *rows, "", table.note])


def as_latex(table: Table) -> str:
    """Returns a table as LaTeX, for the package booktabs.

    Args:
        table: The table.
    """

    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{table.title.translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            line(("", *table.columns)),
            r"\midrule",
            *(line((name, *cells)) for name, cells in table.rows.items()),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def as_csv(ours: Mapping[str, RelativeScores]) -> str:
    """Returns scores as CSV: model, language or average, category, score, interval, questions.

    Args:
        ours: Scores by the model's name.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("model", "language", "category", "score", "low", "high", "questions"))
    for name, scores in ours.items():
        groups = [(code, "all", one) for code, one in scores.by_language.items()]
        groups += [
            (code, category, one)
            for code, categories in scores.by_category.items()
            for category, one in categories.items()
        ]
        groups += [(AVERAGES[average], "all", one) for average, one in scores.averages.items()]
        for code, category, one in groups:
            figures = (f"{number:.4f}" for number in (one.value, one.low, one.high))
            # A spreadsheet takes a text that begins so for a formula.
            safe = f"'{name}" if name[:1] in "=+-@" else name
            writer.writerow((safe, code, category, *figures, one.num_questions))
    return text.getvalue()
