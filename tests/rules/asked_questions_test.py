"""Documents ask the model of `make finetune` what it has learned: held-out questions of its run."""

import dataclasses
import json
import re

from tests.conftest import ROOT
from tests.rules.pages import code_blocks, documents, text_of

from palo.recipes.nano import nano
from palo.scenes.corpus import write_scenes

_SCENE = re.compile(r"runs/quickstart/scenes/(heldout/images/\d+\.png)")
_QUESTION = re.compile(r'"type": "text", "text": "([^"]+)"')


def _asked() -> list[tuple[str, str, str]]:
    """Lists page, image and question of every request in the documents."""
    found = []
    for page in documents(ROOT):
        text = text_of(ROOT, page)
        for block in [*code_blocks(text, "bash"), *code_blocks(text, "python")]:
            questions = _QUESTION.findall(block)
            images = _SCENE.findall(block)
            found += [(page, image, question) for image in images for question in questions]
    return found


def test_documents_ask_what_the_model_has_learned(tmp_path):
    scenes = nano().scenes
    assert scenes is not None
    # What is held out doesn't depend on the number of scenes for training.
    corpus = write_scenes(tmp_path, dataclasses.replace(scenes, num_train_scenes=1))
    rows = [json.loads(line) for line in corpus.questions.read_text(encoding="utf-8").splitlines()]
    known = {(row["image"], row["question"]) for row in rows}
    asked = _asked()
    assert {page for page, _, _ in asked} >= {"README.md", "docs/serve.md"}
    assert [one for one in asked if one[1:] not in known] == []


def test_every_request_in_the_documents_shows_an_image():
    bare = [
        page
        for page in documents(ROOT)
        for block in code_blocks(text_of(ROOT, page), "bash")
        if "/chat/completions" in block and not _SCENE.search(block)
    ]
    assert bare == []
