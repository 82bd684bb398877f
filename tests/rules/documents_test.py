"""The documents are true: their links, files, scripts, imports, tests and versions exist."""

import ast
import importlib
import os
import re
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.rules.pages import code_blocks, definitions, documents, text_of

_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)|<img src=\"([^\"]+)\"")
_SCRIPT = re.compile(r"\b((?:jobs|apps|cluster)/[\w/]+\.(?:py|yaml|sh|json))\b")
_FILE = re.compile(r"`((?:platform/palo|tests|docs|requirements)/[\w/.-]*\w)/?`")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_VERSION = re.compile(r"^\| .+ \| (\d+) \| `(palo/[\w/]+\.py)` `(\w+)` \|", re.MULTILINE)
_COLUMNS = re.compile(r"<!-- columns: palo/([\w/]+)\.py (\w+) -->(.+?)<!-- /columns -->", re.DOTALL)
_DOCUMENTS = documents(ROOT)


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_it_has_a_title(root: Path, name: str) -> None:
    assert text_of(root, name).startswith("# ")


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_its_links_lead_to_files(root: Path, name: str) -> None:
    links = ["".join(groups) for groups in _LINK.findall(text_of(root, name))]
    folder = (root / name).parent
    assert not [link for link in links if not (folder / link).exists()]


@pytest.mark.parametrize("name", [one for one in _DOCUMENTS if one != "DECISIONS.md"])
def test_its_scripts_and_files_exist(root: Path, name: str) -> None:
    text = text_of(root, name)
    named = {*_SCRIPT.findall(text), *_FILE.findall(text)}
    assert not [path for path in named if not (root / path).exists()]


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_its_python_imports_what_is_there(root: Path, name: str) -> None:
    for code in code_blocks(text_of(root, name), "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("palo"):
                module = importlib.import_module(str(node.module))
                assert not [one.name for one in node.names if not hasattr(module, one.name)]


def test_jobs_and_targets_are_all_listed(root: Path) -> None:
    listed = text_of(root, "docs/jobs.md")
    scripts = [*(root / "jobs").glob("*.py"), *(root / "apps").glob("*.py")]
    assert not [name for path in scripts if (name := str(path.relative_to(root))) not in listed]
    targets = re.findall(r"^([a-z]+):", text_of(root, "Makefile"), re.MULTILINE)
    assert not [name for name in targets if f"make {name}" not in listed]


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_the_tests_that_it_names_exist(root: Path, name: str) -> None:
    wrong = [
        f"{file}::{test}"
        for file, test in _TEST.findall(text_of(root, name))
        if not (root / file).is_file() or test not in definitions(root / file)
    ]
    assert not wrong


@pytest.mark.parametrize("name", ["docs/guarantees.md", "docs/security/threat_model.md"])
def test_each_row_names_a_test(root: Path, name: str) -> None:
    lines = text_of(root, name).splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    rows = [line for line in rows if not line.startswith(("| attempt", "| fault"))]
    assert len(rows) > 20
    assert not [row for row in rows if not _TEST.search(row)]


def test_versions_of_formats_are_those_of_the_code(root: Path) -> None:
    rows = _VERSION.findall(text_of(root, "docs/formats.md"))
    assert rows
    for version, file, name in rows:
        for node in ast.parse((root / "platform" / file).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
                assert ast.literal_eval(node.value) == int(version), f"{file} {name}"
                break
        else:
            pytest.fail(f"{file} has no {name}")


def test_columns_of_tables_are_those_of_the_code(root: Path) -> None:
    found = _COLUMNS.findall(text_of(root, "docs/formats.md"))
    assert found
    for module, schema, names in found:
        imported = importlib.import_module(f"palo.{module.replace('/', '.')}")
        assert re.findall(r"`(\w+)`", names) == getattr(imported, schema).names, module


def test_each_lasting_decision_is_listed_with_its_status(root: Path) -> None:
    index = text_of(root, "docs/decisions/index.md")
    for page in sorted((root / "docs" / "decisions").glob("[0-9]*.md")):
        lines = page.read_text(encoding="utf-8").splitlines()
        number, title = lines[0].removeprefix("# ").split(". ", 1)
        assert page.name.startswith(f"{number}-")
        status = lines[2].removeprefix("**Status:** ")
        assert status.startswith(("accepted, ", "superseded ")), page.name
        assert f"| [{number}. {title}]({page.name}) | {status} |" in index


def test_the_changelog_has_an_entry_for_this_version(root: Path) -> None:
    version = re.search(r'^version = "(.+)"', text_of(root, "pyproject.toml"), re.MULTILINE)
    assert version
    assert re.search(rf"^## {re.escape(version[1])} - \d{{4}}-\d\d-\d\d$",
                     text_of(root, "CHANGELOG.md"), re.MULTILINE)  # fmt: skip
    assert f"\nversion: {version[1]}\n" in text_of(root, "CITATION.cff")


def test_the_licence_is_the_one_that_the_package_names(root: Path) -> None:
    assert 'license = "Apache-2.0"' in text_of(root, "pyproject.toml")
    assert "Apache License\n                           Version 2.0" in text_of(root, "LICENSE")


def test_the_cluster_file_has_both_paths(root: Path) -> None:
    link = root / "ray_cluster.yaml"
    assert link.is_symlink()
    assert link.resolve() == (root / "cluster" / "ray_cluster.yaml").resolve()
    assert link.is_file()


def test_continuous_integration_can_be_started(root: Path) -> None:
    assert os.access(root / ".ci" / "run", os.X_OK)
    assert "run: .ci/run" in text_of(root, ".github/workflows/ci.yml")
