"""Image files that are made to take gigabytes, or to reach a decoder that nobody asked for."""

import functools
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tests.fixtures.confined import run_confined

from palo import storage
from palo.corpus.report.images import _is_known_store
from palo.errors import ImageError
from palo.images.decode import decode_image
from palo.images.image_folder import thumbnail_uri
from palo.images.preprocessing import ImageLimits
from palo.reasons import Reason

MB = 1 << 20


def chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def png(width, height, *chunks, pixels=None):
    head = chunk(b"IHDR", struct.pack(">LL5B", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(bytes((width + 1) * height)) if pixels is None else pixels
    parts = (b"\x89PNG\r\n\x1a\n", head, *chunks, chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"".join(parts)


@functools.cache
def bombs():
    """Files by their names; made once they are needed, since that takes a second."""
    zeros = zlib.compress(bytes(512 * MB))
    return {
        "pixels": png(100_000, 100_000, pixels=zeros),
        "width": png(0x7FFFFFFF, 1, pixels=zeros),
        "more pixels than it says": png(8, 8, pixels=zeros),
        "text": png(8, 8, chunk(b"zTXt", b"a\0\0" + zeros)),
        "texts": png(8, 8, *[chunk(b"zTXt", b"%d\0\0" % n + zeros) for n in range(8)]),
        "international text": png(8, 8, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros)),
        "profile": png(8, 8, chunk(b"iCCP", b"a\0\0" + zeros)),
        "animation": png(8, 8, chunk(b"acTL", struct.pack(">LL", 1 << 30, 0))),
        "bitmap": b"BM" + struct.pack("<LLLLllHH", 0, 0, 54, 40, 1 << 30, 1, 1, 24) + bytes(88),
        "grey map": b"P5 100000 100000 65535\n" + bytes(64),
        "grey map of digits": b"P2 " + b"9" * MB,
        "moving image": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"," + bytes(64),
        "tagged image": b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHLL", 256, 4, 1, 1 << 30)
            + struct.pack("<HHLL", 257, 4, 1, 1 << 30) + bytes(4),
        "tags": b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHLL", 700, 1, 0xFFFFFFFF, 8) * 65535,
    }  # fmt: skip


_DECODE = """
    from pathlib import Path
    from palo.images.decode import decode_image
    from palo.errors import ImageError
    for name in sys.argv[1:]:
        try:
            print(decode_image(Path(name).read_bytes()).size)
        except ImageError as error:
            print(error.fact)
    print(grown() >> 20)
"""


def test_bombs_take_no_memory(tmp_path):
    paths = []
    for number, data in enumerate(bombs().values()):
        paths.append(tmp_path / f"{number}.image")
        paths[-1].write_bytes(data)
    ended = run_confined(_DECODE, *paths, max_bytes=2 << 30)
    assert ended.code == 0, ended.errors[-2000:]
    *told, grown = ended.output.splitlines()
    assert len(told) == len(bombs())
    assert int(grown) < 400


@pytest.mark.parametrize("kind", ["pixels", "width", "bitmap", "grey map", "tagged image"])
def test_pixels_are_counted_before_they_are_decoded(kind):
    with pytest.raises(ImageError) as caught:
        decode_image(bombs()[kind])
    assert caught.value.fact in (Reason.IMAGE_TOO_LARGE, Reason.IMAGE_UNKNOWN)


@pytest.mark.parametrize("form", ["EPS", "PDF", "ICO", "ICNS", "TGA", "PCX", "SGI", "JPEG2000"])
def test_other_formats_are_not_opened(form):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, form)
    for read in (decode_image, lambda data: thumbnail_uri(data, 16)):
        with pytest.raises(ImageError) as caught:
            read(buffer.getvalue())
        assert caught.value.fact == Reason.IMAGE_UNKNOWN


def test_a_program_in_an_image_is_not_run(tmp_path):
    """Pillow hands PostScript to Ghostscript, which nobody asked for."""
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(ImageError) as caught:
        decode_image(data + b"(%s) (w) file\n" % str(tmp_path / "ran").encode())
    assert caught.value.fact == Reason.IMAGE_UNKNOWN
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_too_large_is_not_looked_at():
    with pytest.raises(ImageError) as caught:
        decode_image(bytes(100), ImageLimits(max_file_bytes=99))
    assert caught.value.fact == Reason.IMAGE_FILE_TOO_LARGE


def test_a_foreign_corpus_names_no_store():
    """Regression: images of a corpus were fetched from any server, with our credentials."""
    own = storage.path_of("s3://a/corpus?endpoint_override=own:80")
    for path, corpus, is_known in (
        ("images/a.png", Path("corpus"), True),
        ("s3://a/b.png", Path("corpus"), True),
        ("s3://a?endpoint_override=evil:80/b.png", Path("corpus"), False),
        ("s3://a?endpoint_override=evil:80/b.zip//c.png", Path("corpus"), False),
        ("s3://a?endpoint_override=evil:80/b.png", own, False),
        ("s3://a?endpoint_override=own:80/b.png", own, True),
        ("s3://", Path("corpus"), False),
    ):
        assert _is_known_store(path, corpus) is is_known
