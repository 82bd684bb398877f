"""The documents exist, and what they tell people to run and to open exists too."""

import os
import re
from pathlib import Path

import pytest

_DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "DECISIONS.md", "cluster/README.md")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
_TARGET = re.compile(r"`(?:[A-Z_]+=\S+ )*make ([a-z]+)|^\s*make ([a-z]+)", re.MULTILINE)
_SCRIPT = re.compile(r"\b((?:jobs|apps|cluster)/[\w/]+\.(?:py|yaml|sh))\b")


def _text(root: Path, name: str) -> str:
    path = root / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_the_document_is_there_and_has_a_title(root: Path, name: str) -> None:
    assert _text(root, name).startswith("# ")


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_its_links_lead_to_files(root: Path, name: str) -> None:
    links = _LINK.findall(_text(root, name))
    folder = (root / name).parent
    assert not [link for link in links if not (folder / link).exists()]


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_its_make_targets_exist(root: Path, name: str) -> None:
    made = set(re.findall(r"^([a-z]+):", _text(root, "Makefile"), re.MULTILINE))
    told = {"".join(groups) for groups in _TARGET.findall(_text(root, name))}
    assert told <= made


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "cluster/README.md"])
def test_its_scripts_exist(root: Path, name: str) -> None:
    told = set(_SCRIPT.findall(_text(root, name)))
    assert not [script for script in told if not (root / script).exists()]


def test_the_changelog_has_an_entry_for_this_version(root: Path) -> None:
    text = _text(root, "CHANGELOG.md")
    version = re.search(r'^version = "(.+)"', _text(root, "pyproject.toml"), re.MULTILINE)
    assert version
    assert f"## {version[1]}" in text or "## Unreleased" in text


def test_the_cluster_file_has_both_paths(root: Path) -> None:
    link = root / "ray_cluster.yaml"
    assert link.is_symlink()
    assert link.resolve() == (root / "cluster" / "ray_cluster.yaml").resolve()
    assert link.is_file()


def test_continuous_integration_can_be_started(root: Path) -> None:
    assert os.access(root / ".ci" / "run", os.X_OK)
