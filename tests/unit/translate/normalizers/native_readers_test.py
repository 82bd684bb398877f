"""What native readers of nine languages write and would mend, a file for each language."""

import tomllib
from pathlib import Path

import pytest

from palo.translate.normalizers.normalize import normalize_translation

_CASES = {
    file.stem: tomllib.loads(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent / "native_readers").glob("*.toml"))
}


@pytest.mark.parametrize("language", _CASES)
def test_what_is_right_stays(language):
    right = _CASES[language]["right"]
    assert len(right) >= 40
    assert [normalize_translation(text, language) for text in right] == right


@pytest.mark.parametrize("language", _CASES)
def test_slips_are_mended(language):
    slips = _CASES[language]["slips"]
    assert len(slips) >= 10
    assert {slip: normalize_translation(slip, language) for slip in slips} == slips
    assert [normalize_translation(right, language) for right in slips.values()] == [*slips.values()]
