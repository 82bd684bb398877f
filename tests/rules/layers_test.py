"""Packages stand in one order, each imports only from those before it; modules form no cycle."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

_ORDER = (
    "machine", "account", "terminal", "reasons", "errors", "job_metrics", "progress", "retries",
    "api_errors", "ray_errors", "ray_start", "capacity", "roles", "storage", "store", "config",
    "language_files", "languages", "sharing", "session", "endpoint", "html", "client", "benchmark",
    "submission", "command", "doctor", "model", "text", "metrics", "checkpoint", "images", "data",
    "scenes", "inference", "security", "observability", "webui", "corpus", "train", "evaluate",
    "translate", "new_language", "serve", "recipes", "pipeline", "reproduce", "jobs", "apps",
)  # fmt: skip
_RANK = {package: rank for rank, package in enumerate(_ORDER)}
_NEVER = {
    ("model", "ray"),
    ("text", "ray"),
    ("text", "torch"),
    ("serve", "palo.train"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """One import statement: `place` is its file and line."""

    package: str
    module: str
    target: str
    place: str

    def reaches(self, prefix: str) -> bool:
        return self.target == prefix or self.target.startswith(f"{prefix}.")

    @property
    def target_package(self) -> str:
        """The package of palo that is imported, or "" for anything else."""
        parts = self.target.split(".")
        if parts[0] in ("jobs", "apps"):
            return parts[0]
        return parts[1] if parts[0] == "palo" and len(parts) > 1 else ""


def _module_name(path: Path, root: Path) -> str:
    relative = path.relative_to(root)
    parts = relative.parts[1:] if relative.parts[0] == "platform" else relative.parts
    return ".".join(parts).removesuffix(".py").removesuffix(".__init__")


def _targets(node: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            drop = node.level - (1 if is_package else 0)
            parts = module.split(".")
            anchor = ".".join(parts[: len(parts) - drop])
            base = f"{anchor}.{base}".rstrip(".")
        yield from (f"{base}.{alias.name}" for alias in node.names)


def _imports(paths: list[Path], root: Path) -> list[Import]:
    found = []
    for path in paths:
        module = _module_name(path, root)
        parts = module.split(".")
        package = parts[0] if parts[0] != "palo" else (parts[1] if len(parts) > 1 else "")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _targets(node, module, is_package=path.name == "__init__.py"):
                place = f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}"
                found.append(Import(package=package, module=module, target=target, place=place))
    return found


@pytest.fixture(scope="module")
def imports(product: list[Path], root: Path) -> list[Import]:
    found = _imports([path for path in product if "cluster" not in path.parts], root)
    assert any(line.target_package for line in found), "the reader of imports finds nothing"
    return found


def test_every_package_has_its_layer(library: list[Path], root: Path) -> None:
    names = {path.relative_to(root / "platform" / "palo").parts[0] for path in library}
    names = {name.removesuffix(".py") for name in names} - {"__init__"}
    assert names <= set(_RANK), f"give these a layer: {sorted(names - set(_RANK))}"


def test_nothing_imports_a_higher_layer(imports: list[Import]) -> None:
    wrong = [
        f"{line.place} imports {line.target}"
        for line in imports
        if line.package in _RANK
        and line.target_package in _RANK
        and _RANK[line.target_package] > _RANK[line.package]
    ]
    assert not wrong


def test_the_library_imports_neither_jobs_nor_apps(imports: list[Import]) -> None:
    wrong = [
        f"{line.place} imports {line.target}"
        for line in imports
        if line.module.split(".")[0] == "palo" and line.target_package in ("jobs", "apps")
    ]
    assert not wrong


@pytest.mark.parametrize(("package", "target"), sorted(_NEVER))
def test_some_imports_are_never_made(imports: list[Import], package: str, target: str) -> None:
    wrong = [line.place for line in imports if line.package == package and line.reaches(target)]
    assert not wrong


def test_no_modules_import_one_another_in_a_circle(
    imports: list[Import], library: list[Path], root: Path
) -> None:
    """An import within a function counts, and so does one for the type checker alone."""
    modules = {_module_name(path, root) for path in library}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for line in imports:
        target = line.target
        while target and target not in modules:
            target = target.rpartition(".")[0]
        if target and line.module in modules and line.module not in (target, "palo"):
            graph[line.module].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import one another in a circle: {' -> '.join(error.args[1])}")


def test_the_chat_page_knows_only_the_client(imports: list[Import]) -> None:
    below = _ORDER[: _ORDER.index("model")]
    # It decodes the images that it shows.
    allowed = {*below, "images", "scenes", "security", "observability", "webui"}
    wrong = [
        f"{line.place} imports {line.target}"
        for line in imports
        if (
            line.module == "apps.chat_page" or f"{line.module}.".startswith("palo.serve.chat_page.")
        )
        and line.target_package
        and line.target_package not in allowed
        and not line.reaches("palo.serve.chat_page")
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("source", "targets"),
    [
        ("import ray.data", {"ray.data"}),
        ("from palo import errors", {"palo.errors"}),
        ("from palo.text.messages import Turn", {"palo.text.messages.Turn"}),
        ("from . import plan", {"palo.data.plan"}),
        ("from ..model import splice", {"palo.model.splice"}),
        ("def f():\n    import torch", {"torch"}),
    ],
)
def test_the_reader_of_imports_reads(tmp_path: Path, source: str, targets: set[str]) -> None:
    path = tmp_path / "platform" / "palo" / "data" / "loader.py"
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert {line.target for line in _imports([path], tmp_path)} == targets
