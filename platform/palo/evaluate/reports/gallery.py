"""A page of dialogues: image, questions and answers as people read them, in any script."""

from collections.abc import Sequence
from pathlib import Path

from palo import languages, storage
from palo.evaluate.dialogues import DialogueTranscript
from palo.evaluate.reports.cards import TEMPLATES, Images
from palo.html.page import Section, page


def write_gallery(path: Path, model: str, talks: Sequence[DialogueTranscript]) -> None:
    """Writes the page: one section for each language.

    Args:
        path: The HTML file.
        model: Name of the model.
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
            cards = [
                {
                    "image": images.shown(talk.dialogue.image),
                    "turns": list(zip(talk.dialogue.questions, talk.answers, strict=True)),
                }
                for talk in own
            ]
            language = languages.get(code)
            body = TEMPLATES.render("gallery.html", language=language, cards=cards)
            sections.append(Section(code, language.name, body))
    facts = f"{len(talks)} dialogues in {len(present)} languages, each turn answered in its order."
    storage.write_text(path, page(f"Dialogues with {model}", facts, sections))
