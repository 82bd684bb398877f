import io
import os
import sys
import time

import numpy as np
import pytest
from PIL import Image

from palo.errors import ImageError, ResourceError
from palo.images import decoder
from palo.images.decode import decode_image, to_pixels
from palo.images.decoder import Decoder, shared_decoder
from palo.images.preprocessing import ImageLimits, Preprocessing
from palo.reasons import Reason

SMALL = Preprocessing(image_size=28, shortest_edge=28)

# Decodes nothing: what it is sent says what goes wrong.
FAKE = """
import ctypes, json, os, sys, time
import numpy as np
from palo.images.decoder import serve

def decode(data):
    if data == b"sleep":
        time.sleep(600)
    if data == b"spin":
        while True:
            pass
    if data == b"exit":
        os._exit(3)
    if data == b"segfault":
        ctypes.string_at(0)
    if data == b"raise":
        raise MemoryError("too much")
    if data == b"print":
        os.write(1, b"libfoo: warning")
    size = 14 if data == b"short" else 28
    return np.full((3, size, size), len(data) % 256, np.uint8)

serve(decode, json.loads(sys.argv[1])["limits"]["max_decode_s"])
"""


@pytest.fixture
def png():
    pixels = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    program = tmp_path_factory.mktemp("decoder") / "fake.py"
    program.write_text(FAKE)
    made = Decoder(SMALL, ImageLimits(max_decode_s=0.5), (sys.executable, str(program)))
    yield made
    made.close()


def fault_of(made, data):
    with pytest.raises(ImageError) as caught:
        made.decode(data)
    return Reason(caught.value.fact), caught.value.seen


@pytest.mark.parametrize(
    ("data", "reason", "seen"),
    [
        (b"sleep", Reason.IMAGE_TOO_SLOW, "more than 0.5 s"),
        (b"spin", Reason.IMAGE_TOO_SLOW, "more than 0.5 s"),
        (b"exit", Reason.IMAGE_CRASHES, "the decoder ended with 3"),
        (b"segfault", Reason.IMAGE_CRASHES, "the decoder ended with -11"),
        (b"raise", Reason.IMAGE_CRASHES, "MemoryError: too much"),
        (b"short", Reason.IMAGE_CRASHES, "it sent what is no reply"),
    ],
)
def test_an_image_that_breaks_the_decoder_costs_itself_alone(fake, data, reason, seen):
    assert fake.decode(b"good")[0, 0, 0] == 4
    start = time.monotonic()
    assert fault_of(fake, data) == (reason, seen)
    assert time.monotonic() - start < 10
    assert fake.decode(b"after")[0, 0, 0] == 5


def test_what_a_decoder_prints_is_no_reply(fake):
    assert fake.decode(b"print").shape == (3, 28, 28)


def test_a_child_that_died_between_images_costs_none(fake):
    fake.decode(b"good")
    fake._child._process.kill()
    fake._child._process.wait()
    assert fake.decode(b"again").shape == (3, 28, 28)


def test_a_file_larger_than_a_pipe_gets_through(fake):
    assert fake.decode(bytes(5_000_001))[0, 0, 0] == 5_000_001 % 256


def test_a_child_that_never_starts_is_one_line():
    with pytest.raises(ResourceError, match="doesn't start: it ended with 7") as caught:
        Decoder(SMALL, ImageLimits(), (sys.executable, "-c", "exit(7)")).decode(b"any")
    assert "\n" not in str(caught.value)


def test_a_hung_child_leaves_by_itself_when_its_parent_is_gone(fake):
    fake.decode(b"good")
    child = fake._child._process
    child.stdin.write(decoder.REQUEST.pack(4) + b"spin")
    assert child.wait(timeout=30) == -14  # killed by its own alarm, after twice the limit


def test_the_real_child_gives_the_same_pixels_as_decoding_in_place(png):
    made = shared_decoder(SMALL, ImageLimits())
    assert np.array_equal(made.decode(png), to_pixels(decode_image(png), SMALL))
    assert fault_of(made, png[:60])[0] is Reason.IMAGE_DAMAGED
    assert fault_of(made, b"")[0] is Reason.IMAGE_UNKNOWN
    assert shared_decoder(SMALL, ImageLimits()) is made
    made.close()


def test_files_named_like_modules_in_the_working_folder_harm_no_child(png, tmp_path, monkeypatch):
    """Regression: the child got a Ray worker's path, which begins with the working folder."""
    for name in ("random", "json", "numpy", "PIL", "palo", "statistics", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", "") + os.pathsep)
    made = Decoder(SMALL, ImageLimits())
    assert np.array_equal(made.decode(png), to_pixels(decode_image(png), SMALL))
    made.close()
