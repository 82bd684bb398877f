"""Finds fonts for signs: some for training, and others that only held-out signs are written in.

They are Noto's, under the SIL Open Font License, as Debian's fonts-noto-core and fonts-noto-cjk
install them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import features

from palo import languages
from palo.errors import DataError
from palo.scenes.signs.sign_texts import sign_texts

SYSTEM_FONTS = Path("/usr/share/fonts")
_PACKAGES = "fonts-noto-core and fonts-noto-cjk"
_STYLES = ("Regular", "Bold")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Families:
    """Families of a script.

    Attributes:
        training: For training.
        held_out: For held-out signs alone.
        face: Which face of a collection has the script's own forms.
    """

    training: tuple[str, ...]
    held_out: tuple[str, ...]
    face: int = 0


_BY_SCRIPT = {
    "Latn": _Families(training=("NotoSans", "NotoSansMono"), held_out=("NotoSerif",)),
    "Cyrl": _Families(training=("NotoSans", "NotoSansMono"), held_out=("NotoSerif",)),
    "Arab": _Families(training=("NotoSansArabic", "NotoKufiArabic"), held_out=("NotoNaskhArabic",)),
    "Deva": _Families(training=("NotoSansDevanagari",), held_out=("NotoSerifDevanagari",)),
    "Beng": _Families(training=("NotoSansBengali",), held_out=("NotoSerifBengali",)),
    "Jpan": _Families(training=("NotoSansCJK",), held_out=("NotoSerifCJK",), face=0),
    "Hans": _Families(training=("NotoSansCJK",), held_out=("NotoSerifCJK",), face=2),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """A face of a font file.

    Attributes:
        path: The file.
        number: Which face of it.
    """

    path: Path
    number: int = 0


class SignFonts:
    """The fonts of a folder.

    Args:
        folder: Folder with font files, at any depth.

    Raises:
        DataError: If Pillow can't shape text.
    """

    def __init__(self, folder: Path) -> None:
        if not features.check("raqm"):
            raise DataError(
                "this Pillow can't join and stack the letters of Arabic, Hindi and Bengali",
                seen=f"Pillow {features.version('pil')} without libraqm, or no libfribidi to load",
                fix="Install Pillow's own wheel, and libfribidi0 where the machine lacks it.",
            )
        self._folder = folder
        self._files = {
            Path(name).stem: Path(place) / name
            for place, _, names in os.walk(folder)
            for name in names
            if name.endswith((".ttf", ".otf", ".ttc"))
        }

    def faces(self, code: str, *, held_out: bool) -> list[Face]:
        """Returns the faces that signs of a language are written in.

        Args:
            code: ISO code.
            held_out: Those of held-out signs; none of them is among the others.

        Raises:
            DataError: If there are none, or no families are known for its script.
        """
        script = languages.get(code).script
        families = _BY_SCRIPT.get(script)
        if families is None:
            raise DataError(
                f"no fonts are known for signs in the script of {code}",
                seen=script,
                fix="Add its families to palo/scenes/signs/fonts.py.",
            )
        names = families.held_out if held_out else families.training + sign_texts(code).families
        found = list(self._faces(names, families.face))
        if not found:
            raise DataError(
                f"there is no font for signs in {languages.get(code).name} in {self._folder}",
                seen=f"none of {', '.join(names)}",
                fix=f"Install Debian's {_PACKAGES}, or name a folder that has these files.",
            )
        return found

    def _faces(self, names: tuple[str, ...], number: int) -> Iterator[Face]:
        for stem in (f"{name}-{style}" for name in names for style in _STYLES):
            if (path := self._files.get(stem)) is not None:
                yield Face(path=path, number=number if path.suffix == ".ttc" else 0)
