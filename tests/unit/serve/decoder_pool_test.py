import asyncio
import io
import sys
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from palo.api_errors import APIError, APIErrorCode
from palo.images.decode import decode_image, to_pixels
from palo.images.preprocessing import ImageLimits, Preprocessing
from palo.serve.decoder_pool import DecoderPool, ImageRules

SMALL = Preprocessing(image_size=28, shortest_edge=28)

# Waits for a file of the name that it is sent, if it is one, and says when it began.
FAKE = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from palo.images.decoder import serve

def decode(data):
    path = Path(os.fsdecode(data))
    if path.is_absolute():
        path.with_suffix(".begun").touch()
        while not path.exists():
            time.sleep(0.005)
    return np.full((3, 28, 28), len(data) % 256, np.uint8)

serve(decode, json.loads(sys.argv[1])["limits"]["max_decode_s"])
"""


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bomb_png(side=10_000):
    """100 million pixels in some kilobytes, without ever having them."""

    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = side.to_bytes(4) + side.to_bytes(4) + bytes([1, 0, 0, 0, 0])
    rows = zlib.compressobj(9)
    line = bytes(side // 8 + 1)
    body = b"".join(rows.compress(line) for _ in range(side)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data) for kind, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )


@pytest.fixture(scope="module")
def hostile():
    """Small files that ask for much, or are not what they seem."""
    plain = file_of(Image.new("RGB", (40, 30), "red"))
    jpeg = file_of(Image.new("RGB", (400, 300), "red"), "JPEG")
    return {
        "bomb.png": (bomb_png(), APIErrorCode.IMAGE_TOO_LARGE),
        "empty": (b"", APIErrorCode.IMAGE_UNREADABLE),
        "text": (b"<svg onload='alert(1)'/>", APIErrorCode.IMAGE_UNREADABLE),
        "cut.png": (plain[:50], APIErrorCode.IMAGE_UNREADABLE),
        "cut.jpg": (jpeg[: len(jpeg) // 2], APIErrorCode.IMAGE_UNREADABLE),
        "no-size.gif": (b"GIF89a" + bytes(20), APIErrorCode.IMAGE_UNREADABLE),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", APIErrorCode.IMAGE_UNREADABLE),
        "long.bmp": (b"BM" + b"\xff" * 100, APIErrorCode.IMAGE_UNREADABLE),
    }


@pytest.fixture(scope="module")
def fault_of():
    """Decodes a file with one real pool for all tests, and returns why it isn't taken."""
    loop = asyncio.new_event_loop()
    pool = DecoderPool(SMALL, ImageRules(max_decoder_bytes=1 << 30))

    async def outcome(data):
        return (await asyncio.gather(pool.pixels(data, param="it"), return_exceptions=True))[0]

    def decode(data):
        found = loop.run_until_complete(outcome(data))
        if isinstance(found, np.ndarray):
            assert found.shape == (3, 28, 28)
            return None
        assert isinstance(found, APIError), found
        assert found.param == "it"
        return found.code

    yield decode
    pool.close()
    loop.close()


@pytest.mark.parametrize(
    "name",
    ["bomb.png", "empty", "text", "cut.png", "cut.jpg", "no-size.gif", "script.eps", "long.bmp"],
)
def test_a_hostile_image_is_refused_with_its_reason(hostile, fault_of, name):
    data, code = hostile[name]
    assert fault_of(data) is code


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_many_frames_the_first_alone_is_decoded(fault_of, kind):
    frames = [Image.new("RGB", (8, 8), (n, 9 * n % 256, 77)) for n in range(200)]
    assert fault_of(file_of(frames[0], kind, save_all=True, append_images=frames[1:])) is None


@pytest.mark.data
def test_every_hostile_file_is_decoded_or_refused(data_folder, fault_of):
    faults = {
        path.name: fault_of(path.read_bytes())
        for path in sorted((data_folder / "images" / "hostile").iterdir())
    }
    assert faults["hopper.jpg"] is None
    assert faults["decompression_bomb.gif"] is APIErrorCode.IMAGE_TOO_LARGE
    for name in ("LICENSE", "broken.png", "decompression_bomb.ico", "truncated_image.png"):
        assert faults[name] is APIErrorCode.IMAGE_UNREADABLE
    assert set(faults.values()) <= {
        None, APIErrorCode.IMAGE_UNREADABLE, APIErrorCode.IMAGE_TOO_LARGE,
    }  # fmt: skip


def test_a_decoder_that_wants_too_much_memory_is_refused_it():
    async def decode():
        rules = ImageRules(max_decoder_bytes=96 << 20, limits=ImageLimits(max_file_bytes=1 << 20))
        pool = DecoderPool(SMALL, rules)
        small = file_of(Image.new("RGB", (40, 30)))
        try:
            with pytest.raises(APIError) as caught:
                await pool.pixels(file_of(Image.new("RGB", (6000, 6000))))
            await pool.pixels(small)
        finally:
            pool.close()
        return caught.value.code

    assert asyncio.run(decode()) is APIErrorCode.IMAGE_UNREADABLE


def test_pixels_are_those_of_training():
    data = file_of(Image.fromarray(np.arange(3600, dtype=np.uint8).reshape(30, 40, 3)))

    async def decode():
        pool = DecoderPool(SMALL, ImageRules())
        try:
            return await pool.pixels(data)
        finally:
            pool.close()

    assert np.array_equal(asyncio.run(decode()), to_pixels(decode_image(data), SMALL))


@pytest.fixture
def fake(tmp_path):
    program = tmp_path / "fake.py"
    program.write_text(FAKE)
    return sys.executable, str(program)


async def begun(path):
    while not path.with_suffix(".begun").exists():
        await asyncio.sleep(0.005)


def test_who_brings_many_waits_for_their_own(fake, tmp_path):
    gate = tmp_path / "gate"

    async def decode():
        pool = DecoderPool(SMALL, ImageRules(max_waiting=20), fake)
        order = []

        async def one(owner, data):
            await pool.pixels(data, owner)
            order.append(owner)

        tasks = [asyncio.create_task(one("many", str(gate).encode()))]
        await begun(gate)
        tasks += [asyncio.create_task(one("many", b"x" * n)) for n in range(15)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(one("other", b"o")), asyncio.create_task(one("third", b"o"))]
        await asyncio.sleep(0)
        gate.touch()
        await asyncio.gather(*tasks)
        pool.close()
        return order

    order = asyncio.run(decode())
    assert order[0] == "many"
    assert set(order[1:5]) == {"many", "other", "third"}
    assert order[5:] == ["many"] * 13


def test_the_queue_is_bounded_and_who_leaves_frees_their_place(fake, tmp_path):
    gate = tmp_path / "gate"

    async def decode():
        pool = DecoderPool(SMALL, ImageRules(max_waiting=2), fake)
        first = asyncio.create_task(pool.pixels(str(gate).encode()))
        await begun(gate)
        second, third = (asyncio.create_task(pool.pixels(b"12")) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(APIError) as caught:
            await pool.pixels(b"1")
        assert caught.value.code is APIErrorCode.OVERLOADED
        assert caught.value.headers() == {"Retry-After": "2"}
        second.cancel()
        first.cancel()
        await asyncio.sleep(0)
        fourth = asyncio.create_task(pool.pixels(b"1234"))
        await asyncio.sleep(0)
        gate.touch()
        found = [int((await task)[0, 0, 0]) for task in (third, fourth)]
        pool.close()
        return found

    assert asyncio.run(decode()) == [2, 4]


def test_the_event_loop_goes_on_while_images_are_decoded(fake, tmp_path):
    gate = tmp_path / "gate"

    async def decode():
        pool = DecoderPool(SMALL, ImageRules(), fake)
        running = asyncio.create_task(pool.pixels(str(gate).encode()))
        await begun(gate)
        assert threading.current_thread() is threading.main_thread()
        assert not running.done()
        gate.touch()
        await running
        pool.close()

    asyncio.run(decode())
