"""The gain of a taught translator: a table, an image, and a page of examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from markupsafe import Markup

from palo import config, languages, storage
from palo.html.page import Section, Templates, page, table
from palo.translate.learning.measure import Measure, checks_of, measure
from palo.translate.learning.training_set import TranslationExample
from palo.translate.translated import Decision

_BEFORE, _AFTER = "#b5b5b5", "#31688e"
_BAR = 0.4
_MOST_EXAMPLES = 60
_TEMPLATES = Templates(Path(__file__).parent / "templates")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """Held-out text, translated before and after.

    Attributes:
        examples: The held-out examples.
        before: Their translations before.
        after: Their translations after.
    """

    examples: Sequence[TranslationExample]
    before: Sequence[str]
    after: Sequence[str]

    def measures(self) -> tuple[dict[str, Measure], dict[str, Measure]]:
        """Returns the measures before and after, by language."""
        return measure(self.examples, self.before), measure(self.examples, self.after)


def write_gain(folder: Path, gain: Gain) -> str:
    """Writes gain.json, gain.md, gain.png and examples.html.

    Args:
        folder: Where they go.
        gain: What to tell.

    Returns:
        The table, as Markdown.

    Raises:
        StorageError: If a file can't be written.
    """
    before, after = gain.measures()
    gains = as_table(before, after)
    values = {"before": config.to_dict(before), "after": config.to_dict(after)}
    storage.write_json(folder / "gain.json", values)
    storage.write_text(folder / "gain.md", f"{gains}\n")
    _draw(folder / "gain.png", before, after)
    storage.write_text(folder / "examples.html", examples_page(gain))
    return gains


def as_table(before: Mapping[str, Measure], after: Mapping[str, Measure]) -> str:
    """Returns a Markdown table of both measures, with the faults by check below it.

    Args:
        before: Measures of the model before it was taught, by language.
        after: Measures afterwards.
    """
    lines = [
        "| language | texts | chrF before | after | checks passed before | after "
        "| edits per 100 words before | after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for code, old in before.items():
        new = after[code]
        lines.append(
            f"| {code} | {old.num_texts} | {old.chrf:.1f} | {new.chrf:.1f} "
            f"| {old.passed:.1%} | {new.passed:.1%} "
            f"| {old.edits_per_100_words:.1f} | {new.edits_per_100_words:.1f} |"
        )
    lines += ["", "| texts with a fault, of 100 | before | after |", "|---|---|---|"]
    for kind in kinds_of_faults(before, after):
        counts = [one["all"].faults_per_100_texts.get(kind, 0) for one in (before, after)]
        lines.append(f"| {kind} | {counts[0]:.1f} | {counts[1]:.1f} |")
    return "\n".join(lines)


def kinds_of_faults(before: Mapping[str, Measure], after: Mapping[str, Measure]) -> list[str]:
    """Returns the checks that found a fault, the most frequent one before teaching first.

    Args:
        before: Measures of the model before it was taught, by language.
        after: Measures afterwards.
    """
    counts = {**after["all"].faults_per_100_texts, **before["all"].faults_per_100_texts}
    return sorted(counts, key=lambda kind: (-counts[kind], kind))


def examples_page(gain: Gain) -> str:
    """Returns a page with held-out texts before and after, their differences marked.

    As in the paper's Figure 3: the errors, and their corrections.

    Args:
        gain: The held-out texts with both translations.
    """
    rows: list[tuple[str, ...]] = []
    for example, old, new in zip(gain.examples, gain.before, gain.after, strict=True):
        if old == new or len(rows) == _MOST_EXAMPLES:
            continue
        rows.append(
            (
                _cell([("", example.source)], None),
                _cell(_differences(old, example.wanted), example.language),
                _cell(_differences(new, example.wanted), example.language),
                _cell([("", example.wanted)], example.language),
                _faults(example, old),
                _faults(example, new),
            )
        )
    head = ("Source", "Before", "After", "Approved", "Faults before", "Faults after")
    caption = "Held-out texts; marked is what differs from the approved words"
    body = table(caption, head, rows, name_columns=len(head))
    subtitle = f"{len(rows)} held-out texts that are translated in another way than before"
    return page(
        "What the translator has learnt", subtitle, [Section("examples", "Before and after", body)]
    )


def _cell(pieces: Sequence[tuple[str, str]], code: str | None) -> Markup:
    language = languages.get(code) if code is not None else None
    return _TEMPLATES.render("cell.html", pieces=pieces, language=language)


def _differences(text: str, wanted: str) -> list[tuple[str, str]]:
    """Returns the words of a text, those that differ from the wanted ones with "mark"."""
    words, right = text.split(" "), wanted.split(" ")
    changes = SequenceMatcher(None, words, right, autojunk=False).get_opcodes()
    found = [(kind, " ".join(words[start:end])) for kind, start, end, _, _ in changes]
    return [("" if kind == "equal" else "mark", text) for kind, text in found if text]


def _faults(example: TranslationExample, text: str) -> str:
    results = checks_of(example, text)
    names = dict.fromkeys(one.check for one in results if one.decision > Decision.ACCEPT)
    return ", ".join(names)


def _draw(path: Path, before: Mapping[str, Measure], after: Mapping[str, Measure]) -> None:
    """Draws the faults by kind, and the likeness by language, before and after."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), dpi=120, layout="constrained")
    faults, likeness = figure.subplots(1, 2)
    kinds = kinds_of_faults(before, after)
    sides = ((before, "before", _BEFORE, -_BAR / 2), (after, "after", _AFTER, _BAR / 2))
    for measures, label, colour, shift in sides:
        counts = [measures["all"].faults_per_100_texts.get(kind, 0) for kind in kinds]
        faults.bar([n + shift for n in range(len(kinds))], counts, _BAR, label=label, color=colour)
        heights = [one.chrf for one in measures.values()]
        places = [n + shift for n in range(len(measures))]
        likeness.bar(places, heights, _BAR, label=label, color=colour)
    faults.set_xticks(range(len(kinds)), kinds, rotation=30, ha="right")
    faults.set_title("Texts with a fault, of 100", loc="left")
    likeness.set_xticks(range(len(before)), list(before))
    likeness.set_title("chrF with the approved words", loc="left")
    likeness.legend()
    with storage.replacing(path) as partial:
        figure.savefig(partial, format="png")
