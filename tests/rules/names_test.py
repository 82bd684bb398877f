"""Names that say nothing, and names that hide a module of somebody else."""

import importlib.metadata
import re
import sys
from pathlib import Path

from palo import languages

_CATCH_ALL = {
    "util", "utils", "helper", "helpers", "common", "misc", "tools", "lib", "stuff", "shared",
}  # fmt: skip
# Optional neighbours of the stack: not installed here, but looked for by what is installed.
_NEIGHBOURS = {"datasets", "evaluate_metrics", "tensorflow", "triton", "vllm", "wandb"}
_SHORTEST = 3
# Texts that models read, and whose hashes are part of results.
# Words of other people's data, too.
_SAY_PICTURE = {
    "platform/palo/data/image_markup.py", "platform/palo/data/row_images.py",
    "platform/palo/evaluate/judging/requests.py", "platform/palo/scenes/phrases/en.py",
}  # fmt: skip


def test_no_module_is_a_catch_all(product: list[Path], suite: list[Path], root: Path) -> None:
    wrong = [
        str(path.relative_to(root))
        for path in product + suite
        if _CATCH_ALL & set(path.relative_to(root).with_suffix("").parts)
    ]
    assert not wrong


def test_no_module_has_a_name_of_one_or_two_letters(product: list[Path], root: Path) -> None:
    wrong = [
        str(path.relative_to(root))
        for path in product
        for part in path.relative_to(root).with_suffix("").parts
        if len(part) < _SHORTEST and not languages.known(part)
    ]
    assert not wrong


def test_no_script_hides_a_module(product: list[Path], root: Path) -> None:
    """`python jobs/x.py` puts jobs/ first on the path, so jobs/tokenize.py would break Python."""
    taken = set(sys.stdlib_module_names) | _NEIGHBOURS
    taken |= set(importlib.metadata.packages_distributions())
    taken |= {"palo"}
    wrong = [
        str(path.relative_to(root))
        for path in product
        if path.relative_to(root).parts[0] != "platform" and path.stem in taken
    ]
    assert not wrong


def test_the_list_of_taken_names_is_real() -> None:
    installed = importlib.metadata.packages_distributions()
    assert {"torch", "ray", "transformers"} <= set(installed)
    assert "tokenize" in sys.stdlib_module_names


def test_an_image_is_called_an_image(product: list[Path], root: Path) -> None:
    word = re.compile(r"(?<![a-z])pictures?(?![a-z])", re.IGNORECASE)
    pages = list((root / "docs").rglob("*.md"))
    wrong = [
        f"{path.relative_to(root)}:{number}"
        for path in (*product, *pages)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if word.search(line) and str(path.relative_to(root)) not in _SAY_PICTURE
    ]
    assert not wrong
