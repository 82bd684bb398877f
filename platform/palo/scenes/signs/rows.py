"""Writes images with signs, and conversations about what the signs say, in every language."""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palo import languages
from palo.config import check, to_dict
from palo.scenes.corpus import (
    chosen_facts,
    languages_in_turn,
    llava_record,
    worded,
    write_image,
)
from palo.scenes.questions import BalancedChoice
from palo.scenes.scene import Scene, sample_scene_of
from palo.scenes.signs.draw import draw_signed_scene, empty_rows
from palo.scenes.signs.fonts import SYSTEM_FONTS, Face, SignFonts
from palo.scenes.signs.sign_texts import sign_texts
from palo.storage import (
    S3Path,
    ensure_folder,
    file_hash,
    json_line,
    read_json,
    replacing,
    send_tree,
    write_json,
)

FOLDER = "signs"
"""Where signs lie among the scenes."""

ROWS, QUESTIONS = f"{FOLDER}/instructions.jsonl", f"{FOLDER}/heldout/questions.jsonl"
_RECORD = "signs.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignsConfig:
    """How many signs to draw, and in how many languages each is asked about.

    Attributes:
        num_train: Images for training. Their signs are in each language in turn.
        num_heldout: Images for evaluation, in fonts that no other sign has, about scenes that are
            never trained on; each is asked about in every language.
        num_records: In how many languages each image for training is asked about, turn about.
        num_rounds: Questions in one record: the first one about the sign, the others about the
            scene.
        languages: ISO codes; empty means the built-in ones, which have signs.
        fonts: Folder of the fonts, with those of Debian's fonts-noto-core and fonts-noto-cjk.
        seed: Equal configurations and fonts write equal bytes.
    """

    num_train: int = 1_600
    num_heldout: int = 160
    num_records: int = 3
    num_rounds: int = 2
    languages: tuple[str, ...] = ()
    fonts: Path = SYSTEM_FONTS
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is wrong, one clause each."""
        for name in ("num_train", "num_heldout", "num_rounds"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        most = len(self.languages or languages.BUILT_IN)
        if not 1 <= self.num_records <= most:
            yield f"num_records must be from 1 to the number of languages, {most}"
        yield from languages.unknown_faults(self.languages)


def write_signs(folder: Path, config: SignsConfig) -> None:
    """Writes the images and rows, unless they are there.

    Args:
        folder: Folder of the scenes, which the rows' image paths start from.
        config: What to write.

    Raises:
        ConfigError: If the configuration is wrong.
        DataError: If a language has no signs, or there is no font for it.
        StorageError: If the folder can't be written.
    """
    check(config)
    codes = config.languages or languages.BUILT_IN
    fonts = SignFonts(config.fonts)
    faces = {
        (code, held_out): fonts.faces(code, held_out=held_out)
        for code in codes
        for held_out in (False, True)
    }
    files = sorted({face.path for found in faces.values() for face in found})
    wanted = {
        "config": to_dict(config),
        "fonts": {path.name: file_hash(path) for path in files},
    }
    record = folder / FOLDER / _RECORD
    if record.is_file() and read_json(record) == wanted:
        return
    if isinstance(folder, S3Path):  # hundreds of small files go there together
        with tempfile.TemporaryDirectory(prefix="palo-signs-") as own:
            _Writer(Path(own), config, codes, faces).write()
            send_tree(Path(own), folder)
    else:
        _Writer(folder, config, codes, faces).write()
    write_json(record, wanted)


@dataclass(frozen=True, slots=True)
class _Sign:
    """An image with a sign.

    Attributes:
        image: Its path below the scenes.
        code: Language of the sign.
        word: What it says.
        scene: What else there is.
        rng: Decides the rest.
    """

    image: str
    code: str
    word: str
    scene: Scene
    rng: random.Random


class _Writer:
    """Draws signs and writes what is said about them."""

    def __init__(
        self,
        folder: Path,
        config: SignsConfig,
        codes: tuple[str, ...],
        faces: dict[tuple[str, bool], list[Face]],
    ) -> None:
        self._folder = folder
        self._config = config
        self._codes = codes
        self._faces = faces

    def write(self) -> None:
        """Writes all images and rows."""
        self._write_training()
        self._write_heldout()

    def _write_training(self) -> None:
        choices = {code: BalancedChoice() for code in self._codes}
        with (
            replacing(self._folder / ROWS) as partial,
            partial.open("w", encoding="utf-8") as file,
        ):
            for index in range(self._config.num_train):
                sign = self._sign(index, held_out=False)
                for code in languages_in_turn(self._codes, index, self._config.num_records):
                    num_facts = self._config.num_rounds - 1
                    facts = chosen_facts(sign.scene, choices[code], sign.rng, num_facts)
                    rounds = [_asked(sign, code), *(worded(one, code, sign.rng) for one in facts)]
                    name = f"sign-{index:07d}-{code}"
                    file.write(json_line(llava_record(name, sign.image, code, rounds)))

    def _write_heldout(self) -> None:
        with (
            replacing(self._folder / QUESTIONS) as partial,
            partial.open("w", encoding="utf-8") as file,
        ):
            for index in range(self._config.num_heldout):
                sign = self._sign(index, held_out=True)
                for code in self._codes:
                    question, answer = _asked(sign, code)
                    row = {
                        "id": f"sign-heldout-{index:07d}-{code}",
                        "image": sign.image,
                        "language": code,
                        "kind": f"sign_in_{sign.code}",
                        "question": question,
                        "answer": answer,
                    }
                    file.write(json_line(row))

    def _sign(self, index: int, *, held_out: bool) -> _Sign:
        """Draws a sign."""
        part = "heldout" if held_out else "train"
        rng = random.Random(f"sign:{part}:{self._config.seed}:{index}")  # noqa: S311
        code = self._codes[index % len(self._codes)]
        words = sign_texts(code).words
        word = words[index // len(self._codes) % len(words)]
        while not empty_rows(scene := sample_scene_of(rng, held_out=held_out)):
            pass
        face = rng.choice(self._faces[code, held_out])
        drawn = draw_signed_scene(scene, rng.choice(empty_rows(scene)), word, face, code, rng)
        folder = f"{FOLDER}/heldout/images" if held_out else f"{FOLDER}/images"
        ensure_folder(self._folder / folder)
        image = f"{folder}/{index:07d}.png"
        write_image(self._folder / image, drawn)
        return _Sign(image, code, word, scene, rng)


def _asked(sign: _Sign, code: str) -> tuple[str, str]:
    texts = sign_texts(code)
    return texts.ask(sign.rng.randrange(1 << 16)), texts.tell(sign.word)
