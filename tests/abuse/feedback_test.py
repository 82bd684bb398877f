"""Feedback holds answers that a server gave, all that were judged, and never without end.

Regressions: words that a visitor put in place of an answer were kept as a good answer; of forty
opinions at once a third was lost, since each wrote the whole file anew; any visitor could fill the
disk; every user of the machine could read what was asked.
"""

import asyncio
import html
import json
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from palo.client import Endpoint
from palo.errors import ResourceError
from palo.serve.chat_page.chat import Chat, ChatBounds
from palo.serve.chat_page.feedback import FeedbackBounds, FeedbackFolder
from palo.serve.chat_page.handlers import ChatHandlers
from palo.serve.chat_page.history import KeptChats
from palo.serve.chat_page.settings import PageSettings
from palo.webui.texts import page_texts

_NUM = 40
_PNG = b"\x89PNG\r\n\x1a\nrest"
_OTHER = """
import sys
from pathlib import Path
from palo.serve.chat_page.feedback import FeedbackFolder
from palo.serve.chat_page.chat import Chat

kept = FeedbackFolder(Path(sys.argv[1]))
for number in range(10):
    talk = Chat().with_question("?", None).with_answer(f"{sys.argv[2]} {number}", "palo", "en")
    kept.keep(talk, 1, "en", "good")
"""


def answered(text: str = "!", image: Path | None = None) -> Chat:
    return Chat().with_question("?", image).with_answer(text, "palo", "en")


def rows(folder: Path, name: str = "good") -> list[dict[str, object]]:
    lines = (folder / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def said(folder: Path, name: str = "good") -> set[str]:
    return {row["conversations"][-1]["value"] for row in rows(folder, name)}  # type: ignore[index]


@pytest.fixture
def judge(tmp_path):
    """Judges a shown message as a browser does; returns the notice."""
    settings = PageSettings(endpoint=Endpoint(), feedback=tmp_path / "feedback")
    handlers = ChatHandlers(settings, None, ())
    scope = {"type": "http", "headers": [], "client": ("127.0.0.1", 1)}
    request = SimpleNamespace(session_hash="s", request=SimpleNamespace(scope=scope))

    def run(talk, position, rating="good", side="first"):
        event = SimpleNamespace(_data={"position": position, "rating": rating, "side": side})
        return html.unescape(handlers.rate(talk, Chat(), request, event))

    run.handlers, run.request, run.folder = handlers, request, settings.feedback
    return run


def test_an_edited_answer_never_becomes_a_good_one(judge):
    talk = answered("what the model said")
    data = {"do": "edit", "position": 1, "text": "my own words"}

    async def edited():
        event = SimpleNamespace(_data=data)
        return await anext(judge.handlers.ask(talk, Chat(), judge.request, event))

    assert asyncio.run(edited()).first == talk
    judge(talk, 1)
    assert said(judge.folder) == {"what the model said"}


def test_an_answer_that_only_a_browser_vouches_for_is_never_a_good_one(judge):
    kept = KeptChats(ChatBounds())
    told = json.loads(kept.write((answered("what the model said"), Chat()), ""))
    told["chats"] = told["chats"].replace("what the model said", "my own words")
    (talk, _) = kept.read(json.dumps(told), "", lambda path: False)
    assert talk.messages[1].text == "my own words"
    assert page_texts("en")["not_rated"] in judge(talk, 1)
    again, _ = kept.read(kept.write((talk, Chat()), ""), "", lambda path: False)
    assert page_texts("en")["not_rated"] in judge(again, 1)


@pytest.mark.parametrize("index", [0, 2, -1, -2, 10**9, None, "1", [], [[1]], {"a": 1}, 1.0, True])
def test_only_answers_can_be_judged_and_nothing_else_fails(judge, index):
    assert page_texts("en")["not_rated"] in judge(answered(), index)
    assert not judge.folder.exists()


@pytest.mark.parametrize("liked", [None, [], {"a": 1}, 7, "x", True])
def test_an_opinion_that_is_none_takes_back(judge, liked):
    judge(answered(), 1)
    assert page_texts("en")["rating_removed"] in judge(answered(), 1, liked)
    assert rows(judge.folder) == []


def test_forty_opinions_at_once_are_forty_rows(tmp_path):
    folder = tmp_path / "feedback"
    kept = FeedbackFolder(folder)
    together = threading.Barrier(_NUM)

    def keep(number):
        together.wait()
        kept.keep(answered(str(number)), 1, "en", "good")

    with ThreadPoolExecutor(_NUM) as pool:
        list(pool.map(keep, range(_NUM)))
    assert said(folder) == {str(number) for number in range(_NUM)}
    assert len(rows(folder)) == _NUM


def test_several_processes_take_turns(tmp_path):
    folder = tmp_path / "feedback"
    command = [sys.executable, "-c", _OTHER, str(folder)]
    others = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    assert [other.wait() for other in others] == [0] * 4
    assert said(folder) == {f"{other} {number}" for other in range(4) for number in range(10)}
    assert len(rows(folder)) == 40


def test_what_was_cut_off_is_taken_out(tmp_path):
    kept = FeedbackFolder(tmp_path / "feedback")
    kept.keep(answered("1"), 1, "en", "good")
    with (tmp_path / "feedback" / "good.jsonl").open("a") as file:
        file.write('{"id": "cut')
    kept.keep(answered("2"), 1, "en", "good")
    assert said(tmp_path / "feedback") == {"1", "2"}


def test_a_visitor_has_so_many_opinions_a_day(tmp_path):
    kept = FeedbackFolder(tmp_path / "feedback", FeedbackBounds(max_ratings_per_day=3))
    for number in range(3):
        kept.keep(answered(str(number)), 1, "en", "good", "one")
    for opinion in ("good", "bad", None):
        with pytest.raises(ResourceError, match="no more room"):
            kept.keep(answered("0"), 1, "en", opinion, "one")
    kept.keep(answered("3"), 1, "en", "good", "another")
    assert len(rows(tmp_path / "feedback")) == 4


@pytest.mark.parametrize(
    "bounds", [FeedbackBounds(max_bytes_per_day=3000), FeedbackBounds(max_bytes=3000)]
)
def test_images_count_once(tmp_path, bounds):
    kept = FeedbackFolder(tmp_path / "feedback", bounds)
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(_PNG + bytes(2000))
    second.write_bytes(_PNG + bytes(2001))
    kept.keep(answered("1", first), 1, "en", "good", "one")
    kept.keep(answered("2", first), 1, "en", "good", "one")
    with pytest.raises(ResourceError, match="no more room"):
        kept.keep(answered("3", second), 1, "en", "good", "one")
    assert len(list((tmp_path / "feedback" / "images").iterdir())) == 1
    assert said(tmp_path / "feedback") == {"1", "2"}


def test_the_files_end_somewhere(tmp_path):
    kept = FeedbackFolder(tmp_path / "feedback", FeedbackBounds(max_rows=2))
    for number in range(2):
        kept.keep(answered(str(number)), 1, "en", "good", str(number))
    with pytest.raises(ResourceError, match="2 rows"):
        kept.keep(answered("2"), 1, "en", "good", "2")
    kept.keep(answered("0"), 1, "en", None, "3")
    kept.keep(answered("2"), 1, "en", "good", "2")
    assert said(tmp_path / "feedback") == {"1", "2"}


def test_a_visitor_is_told_and_the_page_goes_on(judge):
    judge.folder.mkdir()
    (judge.folder / "good.jsonl").mkdir()
    assert page_texts("en")["not_saved"] in judge(answered(), 1)


def test_nobody_else_can_read_it(tmp_path):
    folder, image = tmp_path / "feedback", tmp_path / "a.png"
    folder.mkdir(mode=0o755)
    image.write_bytes(_PNG)
    kept = FeedbackFolder(folder)
    kept.keep(answered("1", image), 1, "en", "good")
    kept.keep(answered("2", image), 1, "en", "good")
    kept.keep(answered("1", image), 1, "en", "bad")
    modes = {
        path.relative_to(folder).as_posix().partition("/")[0]: stat.S_IMODE(path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    assert modes == dict.fromkeys(("bad.jsonl", "good.jsonl", "images"), 0o600)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "images")} == {0o700}
