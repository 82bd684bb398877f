import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fixtures.scripts import load_script

from palo.errors import ConfigError, DataError, ImageError

_JOB = Path(__file__).resolve().parents[3] / "jobs" / "chat.py"


@pytest.fixture(scope="module")
def job():
    return load_script(_JOB)


class ScriptedSession:
    """Answers with the question's words; remembers what it was told to do."""

    def __init__(self):
        self.done = []

    def show(self, image):
        if "bad" in image.name:
            raise ImageError(f"{image}: not an image")
        self.done.append(("show", image))

    def restart(self):
        self.done.append("restart")

    def ask(self, question):
        self.done.append(("ask", question))
        if question == "too long":
            raise DataError("a conversation is too long for the model")
        for number, word in enumerate(question.split()):
            if word == "ctrl-c":
                raise KeyboardInterrupt
            yield word if number == 0 else f" {word}"


class Lines(io.StringIO):
    """Standard input and output of a test: text, and whether it is a terminal."""

    terminal = False

    def isatty(self):
        return self.terminal

    def reconfigure(self, **settings):
        pass


@pytest.fixture
def talk(job, monkeypatch):
    """Runs the chat on some lines; returns the session and what was printed."""

    def run(*lines, terminal=False, arguments=()):
        session = ScriptedSession()
        monkeypatch.setattr(job, "_open_session", lambda settings: session)
        monkeypatch.setattr(job.signal, "signal", lambda *_: None)
        stdin, stdout = Lines("".join(f"{line}\n" for line in lines)), Lines()
        stdin.terminal = terminal
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        try:
            job.main(list(arguments))
        finally:
            session.printed = stdout.getvalue()
        return session

    return run


def test_a_pipe_gets_the_answers_and_nothing_else(talk):
    session = talk("How many?", "", "  كم عددها؟ ")
    assert session.printed == "How many?\nكم عددها؟\n"
    assert session.done == [("ask", "How many?"), ("ask", "كم عددها؟")]


def test_commands_do_what_they_say(talk):
    session = talk("/image 'my photo.png'", "one", "/new", "two", "/quit", "three")
    assert session.done == [
        ("show", Path("my photo.png")),
        ("ask", "one"),
        "restart",
        ("ask", "two"),
    ]


def test_an_unknown_command_is_told_and_not_asked(talk, capsys):
    assert talk("/imagine x").done == []
    assert "/imagine is no command: /image PATH" in capsys.readouterr().err


def test_on_a_terminal_errors_keep_the_chat_alive(talk):
    session = talk("/image bad.png", "too long", "one", terminal=True)
    assert "error: bad.png: not an image." in session.printed
    assert "error: a conversation is too long for the model." in session.printed
    assert "PALO  one\n" in session.printed


def test_in_a_pipe_an_error_ends_it(talk):
    with pytest.raises(ImageError):
        talk("/image bad.png", "one")


def test_ctrl_c_ends_an_answer_and_not_the_chat(talk):
    session = talk("two words ctrl-c never", "after", terminal=True)
    assert "PALO  two words …\n" in session.printed
    assert "never" not in session.printed
    assert "PALO  after\n" in session.printed


def test_ctrl_c_at_the_prompt_ends_the_chat(talk, job, monkeypatch):
    def interrupted(prompt):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    assert talk("one", terminal=True).done == []


def test_control_characters_of_an_answer_do_not_reach_the_terminal(talk):
    assert talk("red\x1b[2Jblue \x07green").printed == "red\\x1b[2Jblue \\x07green\n"


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--temperature", "-1"], "temperature is -1.0"),
        (["--max-tokens", "0"], "max_tokens is 0"),
        (["--max-tokens", "x"], "max-tokens"),
        (["--colour", "red"], "--colour"),
        (["--name", "palo"], "none is given"),
        (["--endpoint", "http://127.0.0.1", "--language", "xx"], "language is 'xx'"),
        (["--endpoint", "127.0.0.1"], "url is '127.0.0.1'"),
    ],
)
def test_wrong_arguments_are_told(talk, arguments, fault):
    with pytest.raises(ConfigError, match=fault):
        talk("one", arguments=arguments)


def test_the_whole_program_answers_a_pipe_in_utf_8(finished_stage, image_files):
    def run(*arguments):
        command = [sys.executable, str(_JOB), *arguments]
        return subprocess.run(command, input=b"\xff How many?\n", capture_output=True, check=False)

    image = ("--image", str(image_files[0]))
    result = run(str(finished_stage), *image, "--max-tokens", "12")
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""
    answer = result.stdout.decode()
    assert answer.strip()
    assert "\ufffd" not in answer


def test_without_a_model_the_folder_and_the_remedy_are_told(job, monkeypatch, tmp_path):
    monkeypatch.setattr(job.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", Lines())
    monkeypatch.setattr(sys, "stdout", Lines())
    with pytest.raises(DataError, match=f"no finished model here: {tmp_path}.*make finetune"):
        job.main([str(tmp_path)])


def test_an_endpoint_answers_in_place_of_a_folder(chat_server, tmp_path):
    chat_server.key = "sk-secret"
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    command = [sys.executable, str(_JOB), "--endpoint", chat_server.url, "--name", "palo-mobile"]
    result = subprocess.run(
        [*command, "--image", str(tmp_path / "a.png"), "--language", "ur"],
        input="say دو دائرے\nrefuse overloaded\n".encode(),
        env=os.environ | {"PALO_API_KEY": "sk-secret"},
        capture_output=True,
        check=False,
    )
    assert result.stdout.decode().splitlines()[0] == "دو دائرے"
    assert result.returncode == 2
    assert result.stderr.decode() == "error: the server refuses the request: said so.\n"
    first = chat_server.asked[0]
    assert (first["model"], first["language"]) == ("palo-mobile", "ur")
    assert first["messages"][0]["content"][0]["type"] == "image_url"
