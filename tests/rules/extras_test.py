"""Each room runs with what its extra installs: a serving node needs no DeepSpeed, and so on."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

# The packages of palo that an extra is for; what isn't named runs with the core.
_ROOMS = {
    "train": ("checkpoint", "corpus", "data", "images", "model", "scenes", "train"),
    "evaluate": ("evaluate",),
    "serve": ("serve.application", "inference", "observability", "security", "serve", "webui"),
    "translate": ("new_language", "translate"),
    "review": ("translate.review", "webui"),
}
_EXTRA = {room: extra for extra, rooms in _ROOMS.items() for room in rooms}
_EXTRA |= {
    "webui": "web",
    "security": "web",
    "observability": "web",
    "pipeline": "evaluate",
    "reproduce": "evaluate",
}
# Modules that need another extra beside their room's.
_MORE = {
    "palo.translate.backends.local_model": "model",
    "palo.translate.backends.local_worker": "model",
    "palo.translate.learning.local_translator": "model",
    "palo.translate.learning.teach": "model",
    "palo.checkpoint.gguf": "mini",
    "palo.checkpoint.exporting.gguf": "mini",
    "palo.checkpoint.exporting.gguf_file": "mini",
    "palo.checkpoint.exporting.gguf_language_model": "mini",
    "palo.checkpoint.exporting.gguf_loading": "mini",
    "palo.checkpoint.exporting.gguf_mmproj": "mini",
    "palo.text.likelihood": "translate",
    "palo.metrics.chrf": "evaluate",
    "palo.capacity": "model",
    "palo.job_metrics": "model",
    "palo.session": "model",
    "palo.sharing": "model",
    "palo.submission.server": "model",
    "palo.submission.watch": "model",
    "palo.ray_start": "model",
    "palo.ray_errors": "model",
}
# In no extra: for environments that have them.
_ELSEWHERE = {"lmms_eval", "mlflow", "vllm", "wandb"}
_ELSEWHERE_MODULES = ("palo.evaluate.lmms_model", "palo.inference.vllm_model")

# Imports every module of some packages where the named libraries can't be found.
_PROGRAM = """
import importlib, json, pkgutil, sys, warnings
packages, missing, skipped = json.loads(sys.argv[1])
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        absent = name in missing or name.partition(".")[0] in missing
        return None if absent else self.finder.find_spec(name, path, target)
warnings.simplefilter("ignore")
sys.meta_path[:] = map(Without, sys.meta_path)
failed = {}
def load(name):
    if name in skipped:
        return
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
        return
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        load(f"{name}.{found.name}")
loaded = {}
for name in packages:
    load(name)
    loaded[name] = sorted({"gradio", "torch"} & sys.modules.keys())
print(json.dumps([failed, loaded]))
"""


@pytest.fixture(scope="module")
def labels(root: Path) -> dict[str, set[str]]:
    """The extras that install each module of the locked packages, by its name at the top."""
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^(\S+)==[^#]*?\n    # (.*)$", text, re.MULTILINE)
    locked = {name: set(found.split(", ")) for name, found in entries}
    return {
        module: set().union(*(locked.get(canonicalize_name(name), set()) for name in names))
        for module, names in importlib.metadata.packages_distributions().items()
        if module != "palo" and any(canonicalize_name(name) in locked for name in names)
    }


@pytest.mark.parametrize("extra", ["core", *_ROOMS])
def test_a_rooms_modules_load_with_its_extra_alone(
    root: Path, labels: dict[str, set[str]], extra: str
) -> None:
    rooms = _ROOMS.get(extra) or sorted(
        path.stem
        for path in (root / "platform" / "palo").iterdir()
        if not path.name.startswith("_") and path.suffix in ("", ".py") and path.stem not in _EXTRA
    )
    missing = [name for name, found in labels.items() if not found & {"core", "build", extra}]
    skipped = [name for name, more in _MORE.items() if more != extra] + list(_ELSEWHERE_MODULES)
    skipped += [] if extra == "review" else ["palo.translate.review.page"]
    told = json.dumps([[f"palo.{room}" for room in rooms], missing, skipped])
    command = [sys.executable, "-c", _PROGRAM, told]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert result.returncode == 0, result.stderr
    failed, loaded = json.loads(result.stdout.splitlines()[-1])
    assert failed == {}
    # Gradio belongs to the page's own process, torch to the replicas': both take seconds to load.
    assert loaded.get("palo.serve.application", []) == []


def _imported(path: Path) -> Iterator[str]:
    """Returns the modules at the top that a file imports, not counting those for types."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        waiting += ast.iter_child_nodes(node)


def test_a_room_imports_what_its_extra_names(
    library: list[Path], root: Path, labels: dict[str, set[str]]
) -> None:
    """Imports within functions too, which no test that loads the modules sees."""
    wrong: list[str] = []
    for path in library:
        name = ".".join(path.relative_to(root / "platform").with_suffix("").parts)
        room = name.split(".")[1]
        extra = "review" if name.startswith("palo.translate.review") else _EXTRA.get(room, "core")
        allowed = {"core", extra, _MORE.get(name, "core")}
        wrong += [
            f"{name} imports {module}, which {extra} doesn't install"
            for module in set(_imported(path)) - sys.stdlib_module_names - {"palo"} - _ELSEWHERE
            if not labels.get(module, set()) & allowed
        ]
    assert not wrong
