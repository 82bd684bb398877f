"""The map of the code is true: its rooms, its drawing, its walks and its tour."""

import ast
import re
from pathlib import Path

import pytest
from tests.fixtures.scripts import load_script
from tests.rules.pages import definitions, text_of

_PAGE = "docs/architecture.md"
_WALK = re.compile(r"^### Walk: (.+)$", re.MULTILINE)
_HOP = re.compile(r"^\| \d+ \| `(palo/[\w/]+\.py)` \| `([\w.]+)` \| .+ \|$", re.MULTILINE)
_MODULE = re.compile(r"`(palo/[\w/]+\.py)`")
# The most files that a walk may open.
_MOST_FILES = {
    "from a record to a checkpoint": 32,
    "an HTTP chat request": 22,
    "from a conversation to a translated record": 24,
    "from a question to a score": 20,
}
_MOST_OF_A_CHANGE = 4


def _walks(root: Path) -> dict[str, list[tuple[str, str]]]:
    _, *parts = _WALK.split(text_of(root, _PAGE))
    return {name: _HOP.findall(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.fixture(scope="module")
def order(root: Path) -> list[str]:
    """The order of the rooms, as the rule about layers holds it."""
    tree = ast.parse(text_of(root, "tests/rules/layers_test.py"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_ORDER":
            return [name for name in ast.literal_eval(node.value) if name not in ("jobs", "apps")]
    raise AssertionError


def test_the_table_has_the_rooms_in_their_order(root: Path, order: list[str]) -> None:
    rooms = load_script(root / "docs" / "hooks" / "rooms.py").read_rooms()
    assert [room.name for room in rooms] == order


def test_the_drawing_is_that_of_the_table(root: Path) -> None:
    hook = load_script(root / "docs" / "hooks" / "rooms.py")
    drawn = (root / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8")
    assert drawn == hook.draw(hook.read_rooms()), "run: python docs/hooks/rooms.py"


def test_each_hop_of_a_walk_exists(root: Path) -> None:
    walks = _walks(root)
    assert set(walks) == set(_MOST_FILES)
    wrong = [
        f"{walk}: {file} {name}"
        for walk, hops in walks.items()
        for file, name in hops
        if not (root / "platform" / file).is_file()
        or name not in definitions(root / "platform" / file)
    ]
    assert not wrong


def test_a_walk_is_short(root: Path) -> None:
    for walk, hops in _walks(root).items():
        assert 10 < len({file for file, _ in hops}) <= _MOST_FILES[walk], walk


def test_other_modules_that_are_named_exist(root: Path) -> None:
    for page in sorted((root / "docs").rglob("*.md")):
        if "decisions" not in page.parts:
            named = _MODULE.findall(page.read_text(encoding="utf-8"))
            assert not [name for name in named if not (root / "platform" / name).exists()], page


def test_a_change_of_the_tour_touches_few_files(root: Path) -> None:
    rows = re.findall(r"^\| (a new [^|]+) \| (.+?) \|$", text_of(root, "docs/extend.md"), re.M)
    assert len(rows) >= len(_MOST_FILES)
    for change, files in rows:
        named = re.findall(r"`([\w/.]+\.(?:py|toml))`", files)
        assert 1 < len(named) <= _MOST_OF_A_CHANGE, change
        assert not [name for name in named if not (root / name).is_file()], change
