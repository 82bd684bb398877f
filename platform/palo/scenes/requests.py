"""Writes requests to describe held-out images, beside the questions, in every language."""

from pathlib import Path

from palo.scenes.corpus import QUESTIONS, SceneCorpusConfig, heldout_image, heldout_scene
from palo.scenes.phrase_book import phrase_book, spoken_codes
from palo.storage import json_line, read_text, write_text

REQUESTS = "heldout/requests.jsonl"
DESCRIBE = "describe"
"""Kind of the requests."""


def write_requests(folder: Path, config: SceneCorpusConfig) -> Path:
    """Writes the held-out questions, and then a request to describe each image in each language.

    Args:
        folder: Folder of a drawn corpus.
        config: Its configuration.

    Returns:
        The file.

    Raises:
        StorageError: If the questions can't be read, or the file can't be written.
    """
    rows = [read_text(folder / QUESTIONS)]
    for index in range(config.num_heldout_scenes):
        scene, _ = heldout_scene(config, index)
        for code in config.languages or spoken_codes():
            book = phrase_book(code)
            row = {
                "id": f"heldout-{index:07d}-{DESCRIBE}-{code}",
                "image": heldout_image(index),
                "language": code,
                "kind": DESCRIBE,
                "question": book.ask_description(),
                "answer": book.caption(scene),
            }
            rows.append(json_line(row))
    path = folder / REQUESTS
    write_text(path, "".join(rows))
    return path
