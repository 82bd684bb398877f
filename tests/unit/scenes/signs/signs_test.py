"""Signs in every language: their words, fonts, shapes, and the rows about them."""

import json
import random
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from palo import languages
from palo.errors import ConfigError, DataError
from palo.metrics.fidelity import answer_language
from palo.scenes.scene import Scene, Thing
from palo.scenes.signs import draw
from palo.scenes.signs.draw import draw_signed_scene, empty_rows
from palo.scenes.signs.fonts import SYSTEM_FONTS, SignFonts
from palo.scenes.signs.rows import QUESTIONS, ROWS, SignsConfig, write_signs
from palo.scenes.signs.sign_texts import sign_texts

CODES = languages.codes()
SCENE = Scene(things=(Thing(cell=0, shape="star", colour="red"),))
CONFIG = SignsConfig(num_train=40, num_heldout=20)


@pytest.fixture(scope="module")
def fonts() -> SignFonts:
    """The machine's fonts, if it has those of every language."""
    try:
        found = SignFonts(SYSTEM_FONTS)
        for code in CODES:
            for held_out in (False, True):
                found.faces(code, held_out=held_out)
    except DataError as error:
        pytest.skip(str(error))
    return found


@pytest.fixture(scope="module")
def written(fonts, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_signs(folder, CONFIG)
    return folder


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("code", CODES)
def test_the_texts_are_in_their_language(code):
    texts = sign_texts(code)
    assert texts.language == code
    assert len(set(texts.words)) == len(texts.words) == len(sign_texts("en").words)
    assert len(set(texts.questions)) == len(texts.questions) == 2
    for text in (*texts.words, *texts.questions, texts.answer):
        assert unicodedata.is_normalized("NFC", text)
        assert text == text.strip()
    for wording in range(2):
        question = texts.ask(wording)
        assert question.endswith(languages.get(code).question_mark)
        assert answer_language(question, code).fidelity in ("right", "unsure")
    for word in texts.words:
        answer = texts.tell(word)
        assert word in answer
        assert answer_language(answer, code).fidelity in ("right", "unsure")


def test_no_held_out_font_writes_a_sign_for_training(fonts):
    for code in CODES:
        training, held_out = (set(fonts.faces(code, held_out=one)) for one in (False, True))
        assert training
        assert held_out
        assert not {face.path for face in training} & {face.path for face in held_out}
    every = {face.path for code in CODES for face in fonts.faces(code, held_out=False)}
    assert not every & {face.path for code in CODES for face in fonts.faces(code, held_out=True)}


def test_every_font_has_every_letter(fonts):
    for code in CODES:
        for held_out in (False, True):
            for face in fonts.faces(code, held_out=held_out):
                font = ImageFont.truetype(str(face.path), 40, index=face.number)
                missing = bytes(font.getmask("\U0010ffff"))
                for letter in set("".join(sign_texts(code).words)) - {" "}:
                    assert bytes(font.getmask(letter)) != missing, (code, face, letter)


@pytest.mark.parametrize(
    ("code", "joined", "apart"),
    [
        ("ar", "بب", ["ب", "ب"]),
        ("ur", "ٹے", ["ٹ", "ے"]),
        ("hi", "द्य", ["द", "य"]),
        ("hi", "स्ट", ["स", "ट"]),
        ("bn", "ন্ধ", ["ন", "ধ"]),
        ("bn", "স্থ", ["স", "থ"]),
    ],
)
def test_letters_join_and_conjuncts_are_narrower_than_their_letters(fonts, code, joined, apart):
    """Without shaping, letters would stand side by side as they are, with marks between them."""
    for held_out in (False, True):
        for face in fonts.faces(code, held_out=held_out):
            font = ImageFont.truetype(str(face.path), 96, index=face.number)
            assert font.getlength(joined) < 0.97 * sum(map(font.getlength, apart)), face


def test_text_from_right_to_left_begins_on_the_right(fonts):
    """The alif of this word stands alone, a thin stroke, at its beginning."""
    face = fonts.faces("ar", held_out=False)[0]
    font = ImageFont.truetype(str(face.path), 96, index=face.number)
    ink = np.asarray(Image.frombytes("L", (mask := font.getmask("اخراج")).size, bytes(mask)))
    columns = np.flatnonzero(ink.any(axis=0))
    alif = font.getmask("ا").size[0]
    last = columns[np.flatnonzero(np.diff(columns) > 1)[-1] + 1 :]
    assert len(last) <= alif


def test_a_sign_stands_in_an_empty_row_and_says_its_word(fonts):
    face = fonts.faces("hi", held_out=False)[0]
    assert empty_rows(SCENE) == [1, 2]
    first, again, other = (
        np.asarray(draw_signed_scene(SCENE, 1, word, face, "hi", random.Random(1)))
        for word in ("चाय", "चाय", "पानी")
    )
    assert first.shape == (96, 96, 3)
    assert (first == again).all()
    changed = np.flatnonzero((first != other).any(axis=(1, 2)))
    assert changed.min() >= 32
    assert changed.max() < 64
    with pytest.raises(ValueError, match="row 0 isn't empty"):
        draw_signed_scene(SCENE, 0, "चाय", face, "hi", random.Random(1))


def test_every_word_fits_its_board_and_can_be_read(fonts):
    for code in CODES:
        for held_out in (False, True):
            for face in fonts.faces(code, held_out=held_out):
                for word in sign_texts(code).words:
                    left, top, right, bottom = draw._fitting(word, face, code, 1.0).getbbox(word)
                    size = (right - left) / draw._OVERSAMPLING, (bottom - top) / draw._OVERSAMPLING
                    assert size[0] <= draw._WIDTH - 4, (word, face)
                    assert 7 <= size[1] <= draw._HEIGHT - 4, (word, face)


def test_all_languages_are_asked_about_signs_in_all_languages(written):
    lines = rows(written / ROWS)
    assert len(lines) == CONFIG.num_train * CONFIG.num_records
    assert len({row["id"] for row in lines}) == len(lines)
    assert max(counts := Counter(row["language"] for row in lines).values()) == min(counts)
    for row in lines:
        assert (written / row["image"]).is_file()
        turns = [turn["value"] for turn in row["conversations"]]
        assert turns[0].startswith("<image>\n")
        assert len(turns) == 2 * CONFIG.num_rounds
    asked = defaultdict(Counter)
    for row in rows(written / QUESTIONS):
        asked[row["kind"]][row["language"]] += 1
        assert (written / row["image"]).is_file()
    assert {kind: set(found.values()) for kind, found in asked.items()} == {
        f"sign_in_{code}": {2} for code in CODES
    }


def test_equal_settings_write_equal_bytes_once(written, tmp_path):
    write_signs(tmp_path, CONFIG)
    files = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) == CONFIG.num_train + CONFIG.num_heldout + 3
    for name, path in files.items():
        assert path.read_bytes() == (written / name).read_bytes()
    stamps = {path: path.stat().st_mtime_ns for path in files.values()}
    write_signs(tmp_path, CONFIG)
    assert stamps == {path: path.stat().st_mtime_ns for path in files.values()}


def test_missing_fonts_and_wrong_settings_are_told(tmp_path):
    with pytest.raises(DataError, match="there is no font for signs in English") as caught:
        write_signs(tmp_path, SignsConfig(fonts=tmp_path))
    assert "fonts-noto-core" in str(caught.value)
    with pytest.raises(ConfigError, match="num_records must be from 1 to") as wrong:
        write_signs(tmp_path, SignsConfig(num_train=0, num_records=0, languages=("xx",)))
    assert "'xx'" in str(wrong.value)


def test_a_language_without_signs_is_told(eleventh_language):
    with pytest.raises(DataError, match="there are no signs in this language"):
        sign_texts(eleventh_language.code)
