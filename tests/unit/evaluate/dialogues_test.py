import pytest
from jobs import gallery
from tests.unit.evaluate.benches.conftest import write_lines

from palo import languages
from palo.errors import ConfigError, DataError
from palo.evaluate.dialogues import (
    DialogueTranscript,
    ScriptedDialogue,
    hold_dialogues,
    read_dialogues,
    scene_dialogues,
)
from palo.evaluate.reports.gallery import write_gallery

MARKUP = "<script>alert(1)</script>"
URDU = "تصویر میں کیا ہے؟"


class Echo:
    """Answers with the language, the number of turns so far, and the question."""

    def __init__(self, language):
        self.language = language

    def show(self, image):
        self.turns = 0

    def ask(self, question):
        self.turns += 1
        yield f"{self.language}{self.turns} "
        yield question


def test_turns_of_a_dialogue_are_one_conversation(tmp_path):
    asked = [
        ScriptedDialogue(language="ur", image=tmp_path, questions=("a", "b")),
        ScriptedDialogue(language="en", image=tmp_path, questions=("c",)),
    ]
    seen = []
    held = hold_dialogues(asked, Echo, on_dialogue=lambda: seen.append(1))
    assert [one.answers for one in held] == [("ur1 a", "ur2 b"), ("en1 c",)]
    assert len(seen) == 2


def test_scenes_are_asked_about_in_every_language(tmp_path):
    found = scene_dialogues(tmp_path, 1, seed=3)
    assert [one.language for one in found] == list(languages.codes())
    assert {one.image for one in found} == {tmp_path / "scene-0.png"}
    assert all(len(one.questions) == 3 for one in found)
    assert len({one.questions for one in found}) == len(found)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"language": "en", "image": "a.png"}, "is no dialogue"),
        ({"language": "en", "image": "a.png", "questions": "x"}, "has no list of questions"),
        ({"language": "xx", "image": "a.png", "questions": ["x"]}, "known language"),
        ({"language": "en", "image": "a.png", "questions": []}, "known language and a question"),
    ],
)
def test_wrong_lines_are_told(tmp_path, row, message):
    write_lines(tmp_path / "d.jsonl", [row])
    with pytest.raises(DataError, match=message):
        read_dialogues(tmp_path / "d.jsonl", tmp_path)


def test_the_page_shows_each_turn_in_its_direction_and_runs_nothing(tmp_path, image_files):
    dialogue = ScriptedDialogue(language="ur", image=image_files[0], questions=(URDU, MARKUP))
    path = tmp_path / "index.html"
    write_gallery(path, "tiny", [DialogueTranscript(dialogue=dialogue, answers=(MARKUP, ""))])
    text = path.read_text("utf-8")
    assert 'dir="rtl"' in text
    assert text.count('lang="ur" dir="auto"') == 4
    assert "<script" not in text
    assert "(empty)" in text
    assert "data:image/png" in text


def test_the_job_holds_them_with_a_finished_model(finished_stage, image_files, tmp_path, capsys):
    row = {"language": "ur", "image": image_files[0].name, "questions": [URDU, "کتنے؟"]}
    write_lines(tmp_path / "d.jsonl", [row])
    gallery.main(
        [
            str(finished_stage),
            *("--dialogues", str(tmp_path / "d.jsonl")),
            *("--images", str(image_files[0].parent)),
            *("--max-tokens", "4"),
            *("--output", str(tmp_path / "out" / "index.html")),
        ]
    )
    assert URDU in (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "Gallery:" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="images goes with dialogues"):
        gallery.main(["--images", "x"])
