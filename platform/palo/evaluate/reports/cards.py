"""Every question with its image, and the answers of all models side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from palo import languages
from palo.errors import PaloError
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.leaderboard import Leaderboard, ModelResult
from palo.evaluate.measures import Measures
from palo.evaluate.statistics.relative import ScoredItem
from palo.html.page import Templates
from palo.images.image_folder import read_image_file, thumbnail_uri

TEMPLATES = Templates(Path(__file__).parent / "templates")
"""The templates of reports."""

_WIDTH = 320


class Images:
    """Images of a bench as pages show them, each decoded once."""

    def __init__(self) -> None:
        self._known: dict[Path, Markup] = {}

    def shown(self, path: Path) -> Markup:
        """Returns an image, or a box that says that it is missing.

        Args:
            path: File of the image.
        """
        if path not in self._known:
            uri = _uri(path)
            self._known[path] = TEMPLATES.render("image.html", uri=uri, name=path.name)
        return self._known[path]


def _uri(path: Path) -> str | None:
    try:
        return thumbnail_uri(read_image_file(path), _WIDTH)
    except PaloError:  # the page says that it can't be shown
        return None


def cards(
    board: Leaderboard, items: Sequence[BenchItem], images: Images, back: str | None = None
) -> Markup:
    """Returns one card for each question.

    Args:
        board: The models' answers.
        items: The questions.
        images: Their images.
        back: File of the page with all figures, for a link to it.
    """
    scores = {
        model.name: {one.key: one for one in model.judged.scored} if model.judged else {}
        for model in board.models
    }
    values = [
        {
            "item": item,
            "image": images.shown(item.image),
            "answers": [
                _answer(model, item, scores[model.name].get(item.key)) for model in board.models
            ],
        }
        for item in items
    ]
    return TEMPLATES.render("cards.html", cards=values, back=back)


def _answer(model: ModelResult, item: BenchItem, score: ScoredItem | None) -> dict[str, object]:
    answer = model.answers.get(item.key)
    if answer is None:
        return {"model": model.name, "score": "", "text": None, "remarks": (), "reasons": ()}
    return {
        "model": model.name,
        "score": _score(model, item, score),
        "text": answer.text,
        "remarks": list(_remarks(model.measures[item.key], item.expected_language)),
        "reasons": model.judged.reasons.get(item.key, ()) if model.judged else (),
    }


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
