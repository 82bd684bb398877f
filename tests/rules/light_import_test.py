"""What a command line needs to answer `--help` loads no heavy library."""

import json
import subprocess
import sys
from pathlib import Path

_HEAVY = ("torch", "ray", "transformers", "deepspeed", "gradio", "matplotlib", "pyarrow", "pandas")

# Prints, for each module in turn, which heavy libraries its import was the first to load.
_PROGRAM = f"""
import importlib, json, sys
blamed = {{}}
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    new = [h for h in {_HEAVY!r} if h in sys.modules and h not in sum(blamed.values(), [])]
    if new:
        blamed[name] = new
print(json.dumps(blamed))
"""


def _light_modules(library: list[Path], root: Path) -> list[str]:
    names = []
    for path in library:
        parts = path.relative_to(root / "platform").with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        ground_floor = path.parent.name == "palo"
        if ground_floor or (len(parts) > 1 and parts[1] in ("text", "recipes", "storage")):
            names.append(".".join(parts))
    return sorted(names)


def _blamed(modules: list[str]) -> dict[str, list[str]]:
    command = [sys.executable, "-c", _PROGRAM, json.dumps(modules)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    blamed: dict[str, list[str]] = json.loads(result.stdout)
    return blamed


def test_the_ground_floor_text_and_the_recipes_are_light(library: list[Path], root: Path) -> None:
    modules = _light_modules(library, root)
    assert {"palo", "palo.errors", "palo.languages", "palo.config", "palo.storage"} <= set(modules)
    assert _blamed(modules) == {}


def test_a_heavy_import_would_be_seen() -> None:
    assert _blamed(["palo.errors", "pyarrow"]) == {"pyarrow": ["pyarrow"]}
