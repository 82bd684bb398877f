"""Installs what requirements.lock pins into the environment that runs it: `make setup`.

    python requirements/install.py                # palo for development: every extra
    python requirements/install.py serve          # palo as a serving node needs it
    python requirements/install.py serve --copy   # the same, independent of this checkout
    python requirements/install.py --group tools  # a dependency group alone, without palo

Each file is taken only if its hash is in the lock. uv installs where this machine has it or its
package index does; pip otherwise. Byte code is compiled at once: each process would do it for
itself where PYTHONDONTWRITEBYTECODE is set, as in many images, which triples the time of an import.
"""

import argparse
import ast
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lock_file import CORE, CUDA, ROOT, Pin, read_lock

_PIP = (sys.executable, "-m", "pip")
# A line with the path of platform/. A finder, setuptools' other way, is asked after the working
# folder, where any folder of the name palo would hide the library.
_LINKED = ("-C", "editable_mode=compat")
_UV_FOLDER = ROOT / ".cache" / "uv"
# Groups for other environments than palo's, or for `make mini` alone.
_GROUPS = ("build", "mini-weights", "tools", "uv")
_SOURCES = ("pyproject.toml", "README.md", "platform", "apps", "jobs")
# A copy of the same version may be there, of older sources.
_AGAIN = ("--force-reinstall",)


class Installer:
    """Installs pins with uv or pip.

    Args:
        uv: The program uv, or None for pip.
    """

    def __init__(self, uv: str | None) -> None:
        where = ["--python", sys.executable, "--index-strategy", "unsafe-best-match"]
        self._command = [uv, "pip"] if uv else [*_PIP, "--disable-pip-version-check"]
        self._options = ["--no-deps", "--no-build-isolation", "--compile", "--quiet"]
        self._options += where if uv else []
        self._uv = uv

    def install(self, pins: Iterable[Pin]) -> None:
        """Installs packages, each file only if its hash is locked."""
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as chosen:
            chosen.write("".join(map(str, pins)))
            chosen.flush()
            index = index_options() if self._uv else []
            self._run("install", *self._options, *index, "--require-hashes", "-r", chosen.name)

    def install_palo(self, *, copy: bool) -> None:
        """Installs palo itself, with its apps and jobs, and proves that nothing is missing.

        Args:
            copy: Whether as a copy, as nodes and images need it; else as a link to this checkout.
        """
        if copy:
            with tempfile.TemporaryDirectory() as folder:
                self._run("install", *self._options, *_AGAIN, "--no-index", _sources(Path(folder)))
        else:
            self._run("install", *self._options, *_LINKED, "--no-index", "--editable", str(ROOT))
            compileall.compile_dir(ROOT / "platform", quiet=1, workers=0)
        self._run("check", *(["--python", sys.executable] if self._uv else []))

    def _run(self, *options: str) -> None:
        command = [*self._command, *options]
        subprocess.run(command, cwd=ROOT, env=_environment(), check=True)  # noqa: S603


def _sources(folder: Path) -> str:
    """Copies what palo is built of: setuptools writes beside it, and a mount may be read-only."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    return str(folder)


def find_uv() -> str | None:
    """Returns the program uv: this machine's, or the locked one from the package index."""
    if found := shutil.which("uv"):
        return found
    pin = read_lock().get("uv")
    program = _UV_FOLDER / (pin.version if pin else "") / "bin" / "uv"
    if pin is None or program.is_file():
        return str(program) if pin else None
    target = program.parents[1]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as chosen:
        chosen.write(str(pin))
        chosen.flush()
        options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(target)]
        command = [*_PIP, "install", *options, "--requirement", chosen.name]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return str(program) if result.returncode == 0 and program.is_file() else None


def _pip_settings() -> dict[str, list[str]]:
    """Returns what pip is told by its configuration and its environment variables."""
    listing = subprocess.run([*_PIP, "config", "list"], capture_output=True, text=True, check=True)  # noqa: S603
    lines = [line.partition("=") for line in listing.stdout.splitlines()]
    settings: dict[str, list[str]] = {}
    for key, _, value in sorted(lines, key=lambda line: line[0].startswith(":env:")):
        settings[key.partition(".")[2].lower()] = str(ast.literal_eval(value)).split()
    return settings


def index_options() -> list[str]:
    """Returns uv's options for the package indexes that pip is told to use.

    uv reads none of pip's settings; where it has some of its own, those hold.
    """
    if any(name in os.environ for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS")):
        return []
    settings = _pip_settings()
    names = {
        "index-url": "--default-index",
        "extra-index-url": "--index",
        "find-links": "--find-links",
        "trusted-host": "--allow-insecure-host",
    }
    found = [
        part for key, name in names.items() for one in settings.get(key, []) for part in (name, one)
    ]
    return [*found, *(["--no-index"] if settings.get("no-index") == ["true"] else [])]


def _environment() -> dict[str, str]:
    certificates = os.environ.get("PIP_CERT")
    return ({"SSL_CERT_FILE": certificates} if certificates else {}) | dict(os.environ)


def _torch_build(version: str) -> str:
    """Returns `cpu` where pip knows PyTorch's CPU build of this version, `cuda` elsewhere."""
    command = [*_PIP, "index", "versions", "torch"]
    known = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return "cpu" if f"{version}+cpu" in known.stdout else "cuda"


def choose(pins: dict[str, Pin], labels: set[str], build: str | None) -> list[Pin]:
    """Returns the packages to install.

    Args:
        pins: All of the lock.
        labels: The extras and groups that are wanted, and `core`.
        build: PyTorch's build, `cpu` or `cuda`; None takes the CPU build where pip knows it. The
            registry has only the build that brings NVIDIA's libraries.
    """
    chosen = [pin for pin in pins.values() if pin.labels & labels]
    torch = next((pin for pin in chosen if pin.name == "torch"), None)
    if torch is None:
        return chosen
    if (build or _torch_build(torch.version)) == "cuda":
        return [*chosen, *(pin for pin in pins.values() if CUDA in pin.labels)]
    torch.version += "+cpu"
    return chosen


def main() -> None:
    """Installs palo with some or all extras, or a dependency group alone."""
    pins = read_lock()
    labels = {label for pin in pins.values() for label in pin.labels}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("extras", nargs="*", choices=[[], *sorted(labels - {CORE, CUDA, *_GROUPS})])
    parser.add_argument("--group", choices=_GROUPS, help="install a dependency group instead")
    parser.add_argument("--copy", action="store_true", help="install palo as a copy, not as a link")
    parser.add_argument("--packages-only", action="store_true", help="leave palo itself out")
    parser.add_argument("--torch", choices=("cpu", "cuda"), help="PyTorch's build")
    chosen = parser.parse_args()
    installer = Installer(find_uv())
    if chosen.group:
        installer.install(choose(pins, {chosen.group}, chosen.torch))
        return
    # DeepSpeed comes as source: the locked setuptools builds it, and nothing is fetched for that.
    installer.install(choose(pins, {"build"}, None))
    wanted = set(chosen.extras) or labels - {CUDA, *_GROUPS}
    installer.install(choose(pins, {CORE, *wanted}, chosen.torch))
    if not chosen.packages_only:
        installer.install_palo(copy=chosen.copy)


if __name__ == "__main__":
    main()
