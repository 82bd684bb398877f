"""The translator that is a command: text is never a command, and one row costs no other."""

import os
import sys
import time
from pathlib import Path

import pytest
from tests.fixtures.peak_memory import grown_mib

from palo.translate.backends.apertium import ApertiumTranslation, ApertiumTranslator
from palo.translate.backends.backend import Draft, TranslationFailure

# Stands for Apertium: shouts, and does what a bad dictionary or a bad text could make it do.
_SCRIPT = """#!{python}
import os, sys, time
if sys.argv[1] == "-l":
    print("eng-spa")
    sys.exit()
text = sys.stdin.buffer.read()
if b"FLOOD" in text:
    for _ in range(300):
        sys.stdout.buffer.write(b"x" * (1 << 20))
if b"HANG" in text:
    if not os.fork():
        with open({pids!r}, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(600)
    time.sleep(600)
if b"LOSE" in text:
    text = text.replace(b"\\n\\n", b"\\n", 1)
if b"SHOUT" in text:
    sys.stderr.buffer.write(b"y" * (50 << 20))
with open({seen!r}, "ab") as file:
    file.write(text)
sys.stdout.buffer.write(text.upper())
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The folder of a command that stands for Apertium."""
    command = tmp_path / "apertium"
    command.write_text(
        _SCRIPT.format(
            python=sys.executable, pids=str(tmp_path / "pids"), seen=str(tmp_path / "seen")
        )
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def translate(requests, backend_run, timeout_s=60.0):
    settings = ApertiumTranslation(timeout_s=timeout_s)
    backend_run.run(ApertiumTranslator(settings), requests)
    return [backend_run.ended[request.key] for request in requests]


@pytest.mark.parametrize("trouble", ["LOSE", "FLOOD"])
def test_a_conversation_that_breaks_the_translator_costs_no_other(
    fake, request_of, backend_run, trouble
):
    requests = [request_of(f"a {n}", trouble if n == 5 else "b", number=n) for n in range(16)]
    ends = translate(requests, backend_run)
    assert [n for n, end in enumerate(ends) if isinstance(end, TranslationFailure)] == [5]
    assert ends[5].kind == "bad_response"
    assert ends[0] == Draft(texts=("A 0", "B"))


_PREPARE = """
from palo.translate.backends.apertium import ApertiumTranslation, ApertiumTranslator
translator = ApertiumTranslator(ApertiumTranslation())
"""


@pytest.mark.parametrize("trouble", ["FLOOD", "SHOUT"])
def test_what_it_writes_fills_no_memory(fake, trouble):
    assert grown_mib(_PREPARE, "translator._run('eng-spa', [sys.argv[1]])", trouble) < 32


def test_a_command_that_hangs_ends_with_all_that_it_started(fake, request_of, backend_run):
    (end,) = translate([request_of("HANG", "b")], backend_run, timeout_s=8.0)
    assert end.kind == "timeout"
    process = Path(f"/proc/{(fake / 'pids').read_text()}/stat")
    until = time.monotonic() + 10
    while process.exists() and process.read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.05)
    assert not process.exists() or process.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    "text",
    [
        "-v --help -f html",
        "$(touch owned) ; touch owned | touch owned & touch owned",
        "^word/lemma$ [] \\[ @ { } / \\",
        "--\n-d /etc",
    ],
)
def test_text_is_text_whatever_it_looks_like(fake, request_of, backend_run, text, monkeypatch):
    monkeypatch.chdir(fake)
    (end,) = translate([request_of(text, "b")], backend_run)
    assert end == Draft(texts=(text.upper(), "B"))
    assert not os.path.exists("owned")


def test_no_control_characters_reach_it(fake, request_of, backend_run):
    (end,) = translate([request_of("one\x00two\x1b[2J\x85\rthree\tfour", "b")], backend_run)
    assert end == Draft(texts=("ONE TWO [2J  THREE\tFOUR", "B"))
    assert b"\x00" not in (fake / "seen").read_bytes()
