"""Tries other people's clients on a running endpoint.

    python tests/clients/try_clients.py --model quickstart --image scene.png

It makes environments of its own below `runs/clients`, from requirements.txt and package.json beside
it, asks with the key of PALO_API_KEY, and prints a table. Without npm it leaves out the clients for
Node. It ends with 1 if a check fails.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_PROGRAMS = _HERE / "programs"
_FOLDER = Path("runs/clients")
_LONGEST_S = 900
# By program: the client's name, and the packages whose versions are shown.
_PYTHON = {
    "openai_python.py": ("openai (Python)", "openai"),
    "litellm_client.py": ("LiteLLM", "litellm"),
    "langchain_client.py": ("langchain-openai", "langchain-openai"),
    "llm_command.py": ("llm", "llm"),
}
_NODE = {"openai_node.mjs": ("openai (Node)", "openai"), "ai_sdk.mjs": ("AI SDK", "ai")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one check of a client showed: `seen` of an answer, or a `fault`."""

    check: str
    seen: str = ""
    fault: str = ""


def main(arguments: Sequence[str]) -> int:
    """Prepares the clients and tries each of them."""
    parser = argparse.ArgumentParser(description="Tries other people's clients on an endpoint.")
    parser.add_argument("--endpoint", default="http://127.0.0.1:8000", help="without /v1")
    parser.add_argument("--model", required=True)
    parser.add_argument("--image", type=Path, required=True, help="a PNG file")
    chosen = parser.parse_args(arguments)
    environ = environ_of(chosen.endpoint, chosen.model, chosen.image)
    python, node = _prepare_python(_FOLDER), _prepare_node(_FOLDER)
    num_failed = 0
    for program, (name, package) in _PYTHON.items():
        version = _pinned(_HERE / "requirements.txt", package)
        num_failed += _show(name, version, outcomes([python, _PROGRAMS / program], environ))
    for program, (name, package) in _NODE.items() if node else ():
        version = json.loads((_HERE / "package.json").read_text())["dependencies"][package]
        num_failed += _show(name, version, outcomes(["node", node / program], environ))
    return 1 if num_failed else 0


def environ_of(endpoint: str, model: str, image: Path) -> dict[str, str]:
    """Returns the environment of the programs."""
    return {
        **os.environ,
        "OPENAI_BASE_URL": f"{endpoint.rstrip('/')}/v1",
        "OPENAI_API_KEY": os.environ.get("PALO_API_KEY", "none"),
        "PALO_MODEL": model,
        "PALO_IMAGE": str(image.resolve()),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it asks the internet for prices
    }


def outcomes(command: Sequence[str | Path], environ: dict[str, str]) -> Iterator[Outcome]:
    """Runs a program; yields what its checks showed, and a fault if it ends before them."""
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=_LONGEST_S, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"check"')]
    yield from (Outcome(**json.loads(line)) for line in lines)
    if done.returncode or not lines:
        yield Outcome(check="the program itself", fault=done.stderr.strip()[-300:] or "no output")


def _show(name: str, version: str, found: Iterator[Outcome]) -> int:
    """Prints the lines of one client; returns how many checks failed."""
    num_failed = 0
    for outcome in found:
        num_failed += bool(outcome.fault)
        result = f"FAILED  {outcome.fault}" if outcome.fault else f"ok      {outcome.seen}"
        print(f"{name:17} {version:9} {outcome.check:28} {result}", flush=True)
    return num_failed


def _prepare_python(folder: Path) -> Path:
    environment = folder.resolve() / "venv"
    if not environment.exists():
        venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "-r", _HERE / "requirements.txt"]
    subprocess.run(pip, check=True)
    return python


def _prepare_node(folder: Path) -> Path | None:
    """Returns the folder of the programs for Node beside their packages; None without npm."""
    if shutil.which("npm") is None:
        print("npm isn't installed: the clients for Node are left out", file=sys.stderr)
        return None
    place = folder.resolve() / "node"
    place.mkdir(parents=True, exist_ok=True)
    for file in (_HERE / "package.json", *_PROGRAMS.glob("*.mjs")):
        shutil.copy(file, place)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=place, check=True)
    return place


def _pinned(requirements: Path, package: str) -> str:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{package}=="))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
