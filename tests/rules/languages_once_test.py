"""palo.languages is the only list of languages: an eleventh one is then one entry."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from palo import languages

_ENOUGH = 4
_CODES = set(languages.codes())
_NAMES = {language.name for language in languages.every()}
_NATIVE_NAMES = {language.native_name for language in languages.every()}


def _words(node: ast.AST) -> list[str]:
    """The string constants that are this collection's own elements."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        elements: list[ast.expr | None] = list(node.elts)
    elif isinstance(node, ast.Dict):
        elements = list(node.keys)
    elif isinstance(node, ast.Call):
        return [keyword.arg or "" for keyword in node.keywords]
    elif isinstance(node, ast.Match):
        patterns = [case.pattern for case in node.cases]
        elements = [p.value for p in patterns if isinstance(p, ast.MatchValue)]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        words = re.split(r"[\s,;|]+", node.value.strip())
        return words if set(words) <= _CODES else []
    else:
        return []
    constants = [element for element in elements if isinstance(element, ast.Constant)]
    return [constant.value for constant in constants if isinstance(constant.value, str)]


def _lists_of_languages(source: str) -> Iterator[int]:
    """The lines where a collection names four or more of the languages."""
    for node in ast.walk(ast.parse(source)):
        words = set(_words(node))
        if any(len(words & known) >= _ENOUGH for known in (_CODES, _NAMES, _NATIVE_NAMES)):
            yield getattr(node, "lineno", 0)


def test_there_is_no_second_list_of_languages(product: list[Path], root: Path) -> None:
    wrong = [
        f"{path.relative_to(root)}:{line}"
        for path in product
        if path.relative_to(root).as_posix() != "platform/palo/languages.py"
        for line in _lists_of_languages(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "ask palo.languages instead"


@pytest.mark.parametrize(
    "source",
    [
        "X = ('en', 'zh', 'hi', 'ur')",
        "X = {'en': 1, 'zh': 2, 'hi': 3, 'ur': 4}",
        "X: Literal['en', 'zh', 'hi', 'ur']",
        "X = {'en', 'zh', 'hi', 'ur', 'sw'}",
        "X = 'en zh hi ur'.split()",
        "X = dict(en=1, zh=2, hi=3, ur=4)",
        "X = ['English', 'Chinese', 'Hindi', 'Urdu']",
        "match x:\n case 'en': pass\n case 'zh': pass\n case 'hi': pass\n case 'ur': pass",
    ],
)
def test_a_second_list_would_be_found(source: str) -> None:
    assert list(_lists_of_languages(source))


@pytest.mark.parametrize(
    "source", ["X = ('en', 'zh', 'hi')", "X = 'es ist ein Satz'", "X = get('en')"]
)
def test_a_few_languages_together_are_no_list(source: str) -> None:
    assert not list(_lists_of_languages(source))
