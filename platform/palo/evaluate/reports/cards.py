"""Every question with its image, and the answers of all models side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palo import languages
from palo.errors import PaloError
from palo.evaluate.benches.item import BenchItem
from palo.evaluate.leaderboard import Leaderboard, ModelResult
from palo.evaluate.measures import Measures
from palo.evaluate.statistics.relative import ScoredItem
from palo.html.markup import Markup, element
from palo.images.image_folder import read_image_file, thumbnail_uri

_WIDTH = 320


class Images:
    """Images of a bench as they stand in pages, each decoded once."""

    def __init__(self) -> None:
        self._known: dict[Path, str | None] = {}

    def shown(self, path: Path) -> Markup:
        """Returns an image, or that it is missing."""
        if path not in self._known:
            self._known[path] = _uri(path)
        uri = self._known[path]
        if uri is None:
            return element("div", f"no image: {path.name}", class_="no-image")
        return element("img", src=uri, alt=f"image {path.name}", class_="shown", loading="lazy")


def _uri(path: Path) -> str | None:
    try:
        return thumbnail_uri(read_image_file(path), _WIDTH)
    except PaloError:  # the page says that it can't be shown
        return None


def cards(board: Leaderboard, items: Sequence[BenchItem], images: Images) -> Markup:
    """Returns one card for each question.

    Args:
        board: The models' answers.
        items: The questions.
        images: Their images.
    """
    scores = {
        model.name: {one.key: one for one in model.judged.scored} if model.judged else {}
        for model in board.models
    }
    return element(
        "div",
        *(
            element(
                "article",
                element("h3", f"{item.category} {item.question_id}"),
                element(
                    "div",
                    images.shown(item.image),
                    element("div", *_asked(item), class_="parts"),
                    class_="beside",
                ),
                element(
                    "div",
                    *(
                        _answer(model, item, scores[model.name].get(item.key))
                        for model in board.models
                    ),
                    class_="sides",
                ),
                class_="card",
                id=f"{item.language}-{item.question_id}",
            )
            for item in items
        ),
        class_="stack",
    )


def _asked(item: BenchItem) -> Iterator[Markup]:
    yield _words("question", item.question, item.language)
    yield _words(_reference_title(item), "\n".join(item.references), item.expected_language)


def _reference_title(item: BenchItem) -> str:
    return "reference" if len(item.references) == 1 else "right answers"


def _answer(model: ModelResult, item: BenchItem, score: ScoredItem | None) -> Markup:
    answer = model.answers.get(item.key)
    if answer is None:
        return element("div", element("span", model.name, class_="tag"), "no answer", class_="part")
    parts = [
        element("span", f"{model.name} · {_score(model, item, score)}", class_="tag"),
        _plain(answer.text, item.expected_language),
    ]
    remarks = list(_remarks(model.measures[item.key], item.expected_language))
    if remarks:
        parts.append(element("p", ", ".join(remarks), class_="why"))
    reasons = model.judged.reasons.get(item.key, ()) if model.judged else ()
    if reasons:
        words = (_plain(reason, "en") for reason in reasons)
        parts.append(element("details", element("summary", "the judge's words"), *words))
    return element("div", *parts, class_="part")


def _score(model: ModelResult, item: BenchItem, score: ScoredItem | None) -> str:
    if score is not None:
        return f"{score.candidate:g} beside {score.reference:g} for the reference"
    if model.judged is not None:
        return f"no score: {model.judged.unscored.get(item.key, 'not judged')}"
    measures = model.measures[item.key]
    right = "right" if measures.relaxed else "not word for word"
    return f"{right}, chrF {measures.chrf:.0f}"


def _remarks(measures: Measures, expected: str) -> Iterator[str]:
    if measures.fidelity == "wrong":
        found = measures.language or ""
        name = languages.get(found).name if languages.known(found) else found
        yield f"answers in {name}, not in {languages.get(expected).name}"
    if measures.fidelity == "empty":
        yield "empty"
    for is_so, words in (
        (measures.repeats, "repeats itself"),
        (measures.refuses, "refuses"),
        (measures.cut_off, "breaks off"),
    ):
        if is_so:
            yield words
    if measures.mentions and measures.mentions.hallucinated:
        yield f"not in the image: {', '.join(measures.mentions.hallucinated)}"


def _words(title: str, text: str, code: str) -> Markup:
    return element("div", element("span", title, class_="tag"), _plain(text, code), class_="part")


def _plain(text: str, code: str) -> Markup:
    """Returns words in their own direction, even where they are in another script than asked."""
    return element("div", text, class_="words", lang=code, dir="auto")
