"""Foreign words on a terminal: escape sequences and overrides are shown, and nothing is obeyed."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fixtures.raw_server import raw_server, reply
from tests.fixtures.scripts import load_script

from palo import client
from palo.corpus.report.shards import Dropped
from palo.corpus.report.terminal import dropped_lines, record_lines
from palo.data.records import Record
from palo.errors import DataError, PaloError
from palo.terminal import one_line, visible
from palo.text.messages import Turn
from palo.translate.review.offline.import_reviews import ImportedRow

_ROOT = Path(__file__).resolve().parents[2]
# Writes to the clipboard, renames the window, clears the screen, and the same in C1's one byte.
_HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b]0;root\x07\x1b[2J\x9b2J\rfine\x08"
_SHOWN = "\\x1b]52;c;cm0gLXJm\\x07\\x1b]0;root\\x07\\x1b[2J\\x9b2J\\x0dfine\\x08"


def test_controls_are_shown_and_letters_stay():
    assert visible(_HOSTILE) == _SHOWN
    assert visible("a\tb\nc") == "a\tb\nc"
    assert one_line("a\tb\nc\r\n") == "a\\x09b\\x0ac\\x0d\\x0a"
    assert visible("safe\u202etxt.exe\u2066x\u2069") == "safe\\u202etxt.exe\\u2066x\\u2069"
    assert visible("\ud800\u2028") == "\\ud800\\u2028"
    # ZWJ, ZWNJ, LRM, RLM and ALM are part of how these languages are written.
    for text in ("می\u200cخواهم", "क्\u200dष", "র\u200d্য", "\u200fعربي\u200e \u061c", "日本語", "é"):
        assert visible(text) == one_line(text) == text


@pytest.mark.parametrize("kind", [PaloError, DataError, client.EndpointError])
def test_an_error_is_safe_to_print_and_keeps_what_was_seen(kind):
    error = kind(f"a {_HOSTILE} fact", seen=f"{_HOSTILE}\u202e", fix=f"Use {_HOSTILE}.")
    assert str(error) == f"a {_SHOWN} fact: {_SHOWN}\\u202e. Use {_SHOWN}."
    assert error.seen == f"{_HOSTILE}\u202e"


def test_a_job_ends_with_one_line_whatever_it_has_seen():
    program = (
        "from palo import command, errors\n"
        "def job(arguments):\n"
        f"    raise errors.DataError('bad', seen={_HOSTILE!r} + '\\nerror: all is well')\n"
        "command.run_job(job)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == f"error: bad: {_SHOWN}\\x0aerror: all is well.\n"


def test_a_translation_job_shows_what_its_server_says(tmp_path):
    rows = [{"id": "1", "conversations": [{"from": "human", "value": "What is this?"}] * 2}]
    rows[0]["conversations"][1] = {"from": "gpt", "value": "A red car stands there."}
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    job = [sys.executable, str(_ROOT / "jobs" / "translate.py"), str(tmp_path / "rows.json")]
    body = json.dumps({"error": _HOSTILE}, ensure_ascii=False).encode()
    raw = f"\x1b[2J{_HOSTILE}".encode() + body
    with raw_server(reply(raw, "401 Unauthorized")) as server:
        job += ["--to", "es", "--endpoint.url", server.url, "--endpoint.model", "m"]
        done = subprocess.run(
            [*job, "--output", tmp_path / "out"],
            capture_output=True,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert b"refuses the API key" in done.stderr
    assert not _controls(done.stdout + done.stderr)
    assert done.stderr.decode().endswith(".\n")


def _controls(printed: bytes) -> set[str]:
    text = printed.decode("utf-8", "replace")
    return {c for c in text if c not in "\t\n" and (c < " " or "\x7f" <= c <= "\x9f")}


def _sse(text: str) -> bytes:
    delta = json.dumps({"choices": [{"delta": {"content": text}}]})
    return f"data: {delta}\n\n".encode()


def _hostile_model(head: bytes) -> list[bytes]:
    if b"GET" in head.split(b"\r\n")[0]:
        return [reply(json.dumps({"data": [{"id": "m"}]}).encode(), Connection="close")]
    # Cut in the middle of a sequence, so that no piece alone looks like one.
    said = [_sse(_HOSTILE[:3]), _sse(_HOSTILE[3:]), _sse("نص\u200cعربي\u202e"), _sse("done")]
    error = {"error": {"message": f"{_HOSTILE}\nnext line", "code": "overloaded"}}
    return [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        *said,
        f"data: {json.dumps(error)}\n\n".encode(),
    ]


def _read_until(terminal: int, wanted: str, within_s: float = 60.0) -> str:
    printed, until = b"", time.monotonic() + within_s
    while wanted not in printed.decode("utf-8", "replace"):
        assert time.monotonic() < until, printed
        if select.select([terminal], [], [], 0.2)[0]:
            printed += os.read(terminal, 65536)
    return printed.decode("utf-8", "replace")


def test_a_chat_on_a_real_terminal_obeys_no_model():
    ours, theirs = pty.openpty()
    with raw_server(_hostile_model) as server:
        chat = subprocess.Popen(
            [sys.executable, str(_ROOT / "jobs" / "chat.py"), "--endpoint", server.url],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "dumb"},
            start_new_session=True,
        )
        os.close(theirs)
        try:
            _read_until(ours, "you   ")
            os.write(ours, b"hello\n")
            printed = _read_until(ours, "next line")
        finally:
            chat.kill()
            chat.wait()
            os.close(ours)
    # The terminal itself writes \r\n, and echoes what was typed.
    said = printed[printed.index("PALO") :].replace("\r\n", "\n")
    assert not _controls(said.encode())
    assert _SHOWN in said
    assert "نص\u200cعربي\\u202e" in said
    assert f"error: the server refuses the request: {_SHOWN}\\x0anext line" in said


def test_a_corpus_is_inspected_without_obeying_its_rows():
    row = Dropped(
        step="parse",
        source=_HOSTILE,
        row_offset=1,
        file=f"{_HOSTILE}.jsonl",
        offset=0,
        language=_HOSTILE,
        reason="bad",
        detail=_HOSTILE,
        text=_HOSTILE,
    )
    record = Record(
        record_id=_HOSTILE,
        source=_HOSTILE,
        licence="",
        language="en",
        image=f"{_HOSTILE}.png",
        turns=(Turn("user", f"{_HOSTILE}\u202e", 0),),
    )
    lines = [*dropped_lines(row), *record_lines(record)]
    assert not _controls("\n".join(lines).encode())
    assert "\u202e" not in "".join(lines)


def test_reviewers_files_come_back_without_obeying_them(tmp_path, monkeypatch, capsys):
    job = load_script(_ROOT / "jobs" / "review.py")
    row = ImportedRow(
        rows=(2,), key=_HOSTILE, status="refused", reason=f"{_HOSTILE} is no decision"
    )
    monkeypatch.setattr(job, "import_reviews", lambda *_, **__: [row])
    monkeypatch.setattr(job.ReviewStore, "existing", lambda folder: job.ReviewStore(folder))
    job.main([str(tmp_path), "--import-file", "a.xlsx", "--reviewer", "Amina"])
    assert not _controls(capsys.readouterr().out.encode())
