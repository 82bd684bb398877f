"""A page of dialogues: image, questions and answers as people read them, in any script."""

from collections.abc import Sequence
from pathlib import Path

from palo import languages, storage
from palo.evaluate.dialogues import DialogueTranscript
from palo.evaluate.reports.cards import Images
from palo.html.language_label import language_label
from palo.html.markup import Markup, element
from palo.html.page import Section, page


def write_gallery(path: Path, model: str, talks: Sequence[DialogueTranscript]) -> None:
    """Writes the page: one section for each language.

    Args:
        path: The HTML file.
        model: What the model is called.
        talks: The dialogues.

    Raises:
        StorageError: If it can't be written.
    """
    images = Images()
    present = {talk.dialogue.language for talk in talks}
    sections = []
    for code in languages.codes():
        if code in present:
            own = [talk for talk in talks if talk.dialogue.language == code]
            cards = (_card(talk, images) for talk in own)
            body = element("div", *cards, class_="cards")
            sections.append(Section(code, languages.get(code).name, _titled(code, body)))
    facts = f"{len(talks)} dialogues in {len(present)} languages, each turn answered in its order."
    storage.write_text(path, page(f"Dialogues with {model}", facts, sections))


def _titled(code: str, body: Markup) -> Markup:
    return element("div", element("p", language_label(code), class_="soft"), body)


def _card(talk: DialogueTranscript, images: Images) -> Markup:
    dialogue, code = talk.dialogue, talk.dialogue.language
    turns = []
    for question, answer in zip(dialogue.questions, talk.answers, strict=True):
        turns += [_turn("question", question, code), _turn("answer", answer, code)]
    return element(
        "article",
        images.shown(dialogue.image),
        # Whose turn it is shows at the side where reading begins.
        element("div", *turns, class_="parts", dir=languages.get(code).direction),
        class_="card",
    )


def _turn(kind: str, text: str, code: str) -> Markup:
    words = element("div", text or "(empty)", class_="words", lang=code, dir="auto")
    return element("div", words, class_=f"part turn-{kind}")
