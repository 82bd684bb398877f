"""No regular expression takes more than linear time, whatever the text.

Every pattern of the product is tried on texts made of its own characters, by the methods that it
is used with.
"""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from tests.fixtures.scripts import load_script
from tests.rules.attack_texts import attack_texts

from palo import languages

# File and beginning of the pattern: why it may backtrack.
ALLOWED: Mapping[tuple[str, str], str] = {
    ("jobs/bench/evaluating/behaviour.py", r"\[(?:First|Second) answer]"): "reads our own prompts",
}

_CODES = languages.codes()
_MAKERS: Mapping[str, Sequence[tuple[str, tuple[object, ...]]]] = {
    "translate/locks/numbers.py": [("_magnitude_words", (code,)) for code in _CODES],
    "translate/locks/units_of_measure.py": [("_units", (code,)) for code in _CODES],
    "translate/glossary.py": [("_pattern", ((("a", "b"), ("C d", "e")),))],
    "text/unicode_forms.py": [("_many_marks", ("NFC",)), ("_many_marks", ("NFKC",))],
}
"""Functions that make patterns when they are called, with arguments."""

_LENGTHS = (20, 24, 28, 64, 256, 1024, 4096)
_SUSPECT_S, _CONFIRMED_S = 0.010, 0.030
# Four times the text takes a linear pattern four times as long, a quadratic one sixteen times.
_FACTOR, _MOST_RATIO, _MOST_STEP_RATIO = 4, 8, 3

_SEARCHING = ("search", "finditer", "findall", "sub", "subn", "split")
_ANCHORED = ("match", "fullmatch")
_METHODS: Mapping[str, Callable[[re.Pattern[Any], Any], object]] = {
    "search": lambda pattern, text: [None for _ in pattern.finditer(text)],
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
}


class Used(NamedTuple):
    """A pattern, where it stands, and the methods that it is used with."""

    file: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]


def test_no_pattern_backtracks(product: list[Path], root: Path) -> None:
    found = [used for path in product for used in _patterns(path, root)]
    assert len(found) > 100
    wrong = [
        f"{used.file}: {used.pattern.pattern[:60]!r} {worst}"
        for used in dict.fromkeys(found)
        if not _is_allowed(used) and (worst := _worst(used))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_exception_is_left_without_its_pattern(product: list[Path], root: Path) -> None:
    found = [used for path in product for used in _patterns(path, root)]
    for file, beginning in ALLOWED:
        assert any(one.file == file and one.pattern.pattern.startswith(beginning) for one in found)


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s+\Z", "search"),
        (r"[ \t]++\n", "search"),
        (r"\[.*?\]", "search"),
        (r"(?:a+)+b", "match"),
        (r"(?:a|aa)+\Z", "match"),
        (r"x\s*\n?\s*y", "match"),
        (r"^\s*- ", "search"),
        (r"\d+\.\d+", "search"),
    ],
)
def test_patterns_that_backtrack_are_found(pattern: str, method: str) -> None:
    # Longer texts too: on a fast machine the longest of the others takes no time to speak of.
    lengths = (*_LENGTHS, 16384)
    assert _worst(Used("", re.compile(pattern, re.MULTILINE), (method,)), lengths)


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"\s+\Z", "match"),
        (r"(?<![ \t])[ \t]++\n", "search"),
        (r"\[[^\[\]]*\]", "search"),
        (r"a+b", "match"),
        (r"\w+", "search"),
    ],
)
def test_linear_patterns_are_not_found(pattern: str, method: str) -> None:
    assert not _worst(Used("", re.compile(pattern), (method,)))


def _is_allowed(used: Used) -> bool:
    return any(
        used.file == file and used.pattern.pattern.startswith(beginning)
        for file, beginning in ALLOWED
    )


def _worst(used: Used, lengths: Sequence[int] = _LENGTHS) -> str:
    """Returns on what a pattern backtracks, "" if on nothing."""
    for attack in attack_texts(used.pattern):
        for method in used.methods:
            if _backtracks(used.pattern, method, partial(_text, used.pattern, *attack), lengths):
                return "backtracks in {} on {!a} + {!a} * n + {!a}".format(method, *attack)
    return ""


def _text(pattern: re.Pattern[Any], before: str, piece: str, behind: str, length: int) -> Any:
    text = before + piece * (length // len(piece)) + behind
    return text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")


def _backtracks(
    pattern: re.Pattern[Any], method: str, make: Callable[[int], Any], lengths: Sequence[int]
) -> bool:
    for length in lengths:
        start = time.perf_counter()
        _METHODS[method](pattern, make(length))
        if time.perf_counter() - start > _SUSPECT_S:
            small = _cpu_s(pattern, method, make(length))
            if length < _LENGTHS[-1] and small > _SUSPECT_S:
                return True
            # A little more text first: on a lot more, an exponential pattern would never end.
            step = _cpu_s(pattern, method, make(length + length // 4))
            if step > _CONFIRMED_S and step > _MOST_STEP_RATIO * max(small, 0.004):
                return True
            large = _cpu_s(pattern, method, make(_FACTOR * length))
            return large > _CONFIRMED_S and large > _MOST_RATIO * max(small, 0.004)
    return False


def _cpu_s(pattern: re.Pattern[Any], method: str, text: Any) -> float:
    def once() -> float:
        start = time.process_time()
        _METHODS[method](pattern, text)
        return time.process_time() - start

    return min(once() for _ in range(3))


def _patterns(path: Path, root: Path) -> Iterator[Used]:
    """Yields the patterns of a file: those written out, and those that its module makes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    file = str(path.relative_to(root))
    names = dict(_named(tree))
    makes = file.startswith("platform/palo/translate/normalizers/")
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        method = _method_of_re(call)
        if not method or not call.args:
            continue
        if not isinstance(call.args[0], ast.Constant):
            makes |= method == "compile"
            continue
        pattern = re.compile(call.args[0].value, _flags(call))
        methods = _uses(names.get(call), tree) if method == "compile" else _kinds({method})
        yield Used(file, pattern, methods)
    if makes and file.startswith("platform/"):
        module, made = _made(path, file)
        owners = {id(value): name for name, value in vars(module).items()}
        for pattern in made:
            yield Used(file, pattern, _uses(owners.get(id(pattern)), tree))


def _made(path: Path, file: str) -> tuple[ModuleType, list[re.Pattern[Any]]]:
    """Runs a module anew, and its functions that make patterns, and returns what is compiled."""
    name = file.removeprefix("platform/").removesuffix(".py").replace("/", ".")
    importlib.import_module(name)  # so that what it imports isn't run again
    made: list[re.Pattern[Any]] = []
    compile_ = re.compile

    def recording(*arguments: Any, **named: Any) -> re.Pattern[Any]:
        made.append(compile_(*arguments, **named))
        return made[-1]

    re.compile = recording
    try:
        module = load_script(path)
        for name, arguments in _MAKERS.get(file.removeprefix("platform/palo/"), ()):
            getattr(module, name)(*arguments)
    finally:
        re.compile = compile_
    return module, made


def _method_of_re(call: ast.Call) -> str:
    function = call.func
    is_re = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    return function.attr if is_re and function.value.id == "re" else ""


def _named(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield node.value, target.id


def _flags(call: ast.Call) -> int:
    found = 0
    for argument in (*call.args[1:], *call.keywords):
        for node in ast.walk(argument):
            flag = getattr(re, node.attr, 0) if isinstance(node, ast.Attribute) else 0
            found |= flag if isinstance(flag, re.RegexFlag) else 0
    return found


def _uses(name: str | None, tree: ast.Module) -> tuple[str, ...]:
    """Returns the methods of a pattern that a module uses; all if it goes elsewhere."""
    places = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    loads = {place for place in places if isinstance(place.ctx, ast.Load)}
    used = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.value in loads]
    if not used or len(used) < len(loads):
        return tuple(_METHODS)
    return _kinds({node.attr for node in used})


def _kinds(methods: set[str]) -> tuple[str, ...]:
    kinds = {name if name in _ANCHORED else "search" for name in methods}
    return tuple(sorted(kinds))
