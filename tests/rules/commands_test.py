"""Every command in a document is parsed by the program that it names, with its arguments."""

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import NoReturn

import pytest
import tyro
from tests.conftest import ROOT
from tests.rules.pages import code_blocks, documents, inline_code, text_of

_EXTERNAL = {
    "apt-get", "aws", "cd", "chmod", "curl", "export", "helm", "kubectl", "lmms-eval", "pip",
    "pre-commit", "source", "sudo", "umask", "vllm",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\.\.\.|…")
_PARSES = re.compile(r"\b(override|recipe_job|parse_args)\(")
_FLAG = re.compile(r"--[a-z][\w.-]*[\w]")
# Flags of other programs that the documents mention.
_THEIRS = {
    "--dist", "--hash", "--model_args", "--no-deps", "--numprocesses", "--runtime-env-json",
    "--working-dir", "--no-build-isolation", "--require-hashes", "--upgrade-package", "--strict",
    "--generate", "--group-name", "--help", "--dry-run", "--log_samples", "--model", "--set",
    "--strategy", "--durations",
}  # fmt: skip


class _Parsed(BaseException):
    """Ends a program when its arguments were understood."""


def _commands(root: Path, name: str) -> list[str]:
    text = text_of(root, name)
    lines: list[str] = []
    for block in code_blocks(text, "bash"):
        lines += re.sub(r"\\\n\s*", " ", block).splitlines()
    shown = re.compile(r"(python|make|ray|serve) (jobs|apps|cluster|[a-z]+ ?)")
    lines += [code for code in inline_code(text) if shown.match(code)]
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


_COMMANDS = sorted(
    {
        command
        for name in documents(ROOT)
        if name != "DECISIONS.md" and not name.startswith("docs/decisions")
        for command in _commands(ROOT, name)
    }
)


def _words(command: str) -> list[str]:
    words = shlex.split(re.sub(r"(^|\s)#.*", "", command))  # shlex cuts `v1#llava` too
    words = [word for word in words if word != "&" and not _PLACEHOLDER.fullmatch(word)]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words


def _made(words: list[str], root: Path) -> list[str] | None:
    """Returns what a target runs with these arguments; None if it takes none."""
    target, *assigned = words
    makefile = text_of(root, "Makefile")
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", makefile, re.MULTILINE)
    assert rule, f"make has no target {target}"
    values = dict(one.split("=", 1) for one in assigned)
    given = {**dict(re.findall(r"^(\w+) *\?= *(.*)$", makefile, re.MULTILINE)), **values}
    lines = [line for line in rule[1].splitlines() if "jobs/" in line and "$(ARGS)" in line]
    if not lines or _PLACEHOLDER.search(" ".join(assigned)):
        return None
    if "$(NAME)" in lines[-1] and "NAME" not in given:
        return None
    return _words(re.sub(r"\$\((\w+)\)", lambda m: given.get(m[1], ""), lines[-1].strip()))


def _check(words: list[str], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *rest = words
    if program.endswith(("python", "/python")) and rest[0] == "-m":
        _parse(root / f"{rest[1].replace('.', '/')}.py", rest[2:], monkeypatch)
    elif program.endswith(("python", "/python")):
        _parse(root / rest[0], rest[1:], monkeypatch)
    elif program == "make":
        made = _made(rest, root)
        if made is not None:
            _check(made, root, monkeypatch)
    elif program == "ray":
        from ray.scripts.scripts import cli

        assert rest[0] in cli.commands
        assert not [one for one in rest if one.endswith(".yaml") and not (root / one).exists()]
        if "--" in rest:
            _check(rest[rest.index("--") + 1 :], root, monkeypatch)
    elif program == "serve":
        from ray.serve.scripts import cli as serve_cli

        assert rest[0] in serve_cli.commands
        assert not [one for one in rest if one.endswith(".yaml") and not (root / one).exists()]
    else:
        assert program in _EXTERNAL, f"unknown program {program}"


def _parse(script: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    source = script.read_text(encoding="utf-8")
    if not _PARSES.search(source):  # it would do its work
        assert not arguments, f"{script.name} takes no arguments"
        return
    parse, parse_args = tyro.cli, argparse.ArgumentParser.parse_args

    def parsed(*args: object, **options: object) -> NoReturn:
        parse(*args, **options)  # type: ignore[call-overload]
        raise _Parsed

    def parsed_by_argparse(self: argparse.ArgumentParser, *args: object) -> NoReturn:
        parse_args(self, *args)  # type: ignore[call-overload]
        raise _Parsed

    monkeypatch.setattr(tyro, "cli", parsed)
    if "argparse" in source:
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed_by_argparse)
    monkeypatch.setattr(sys, "argv", [str(script), *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.syspath_prepend(str(script.parent))
    with pytest.raises((_Parsed, SystemExit)) as ended:
        runpy.run_path(str(script), run_name="__main__")
    code = getattr(ended.value, "code", 0)
    assert not code, f"{script.name} refuses {arguments}"


@pytest.mark.parametrize("command", _COMMANDS)
def test_it_parses(command: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = _words(command)
    if words and not (
        words[0] == "python" and not words[1].startswith(("jobs", "apps", "cluster"))
    ):
        _check(words, root, monkeypatch)


def _flags(script: str, arguments: list[str], capsys, monkeypatch) -> set[str]:
    monkeypatch.setattr(sys, "argv", [script, *arguments, "--help"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        runpy.run_path(script, run_name="__main__")
    return set(_FLAG.findall(capsys.readouterr().out))


def test_every_flag_that_is_mentioned_exists(root: Path, capsys, monkeypatch) -> None:
    known: set[str] = set(_THEIRS)
    for folder in ("jobs", "apps", "cluster"):
        for script in sorted((root / folder).glob("*.py")):
            text = script.read_text(encoding="utf-8")
            if _PARSES.search(text):
                first = ["nano-aligned"] if re.search(r"\b(recipe_job|read_recipe)\(", text) else []
                known |= _flags(str(script), first, capsys, monkeypatch)
    known |= _flags(str(root / "jobs/evaluate.py"), ["llava-wild"], capsys, monkeypatch)
    known |= _flags(str(root / "jobs/finetune.py"), ["nano-signs"], capsys, monkeypatch)
    wrong = []
    for name in documents(root):
        if name.startswith(("DECISIONS", "docs/decisions")):
            continue
        wrong.extend(
            f"{name}: {flag}"
            for code in inline_code(text_of(root, name))
            for flag in _FLAG.findall(code)
            if not any(f"{one}.".startswith(f"{flag}.") for one in known)
        )
    assert not wrong
