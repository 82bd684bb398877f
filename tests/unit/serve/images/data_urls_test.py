import base64
import tracemalloc

import pytest

from palo.api_errors import APIError, APIErrorCode
from palo.serve.images.data_urls import is_data_url, read_data_url

IMAGE = b"\x89PNG\r\n\x1a\n and more"
TEXT = base64.b64encode(IMAGE).decode()


@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64",
        "DATA:image/svg+xml;BASE64",
        "data:;base64",
        "data:image/jpeg;name=a.jpg;charset=utf-8;base64",
    ],
)
def test_what_it_holds(head):
    assert is_data_url(f"{head},{TEXT}")
    assert read_data_url(f"{head},{TEXT}", 1000, None) == IMAGE


def fault(url, max_bytes=1000):
    with pytest.raises(APIError) as caught:
        read_data_url(url, max_bytes, "messages[0]")
    assert caught.value.param == "messages[0]"
    assert len(caught.value.message) < 200
    return caught.value.code


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:,",
        f"data:{TEXT}",
        f"data:image/png,{TEXT}",
        f"data:image/png;base64{TEXT}",
        f"data:text/html;base64,{TEXT}",
        f"data:application/octet-stream;base64,{TEXT}",
        f"data:image/png;base64;{'x' * 300},{TEXT}",
        f"data:image/png;base64, {TEXT}",
        f"data:image/png;base64,{TEXT}\n",
        f"data:image/png;base64,{TEXT[:8]}\r\n{TEXT[8:]}",
        f"data:image/png;base64,{TEXT[:-1]}",
        f"data:image/png;base64,{TEXT}====",
        f"data:image/png;base64,={TEXT}",
        f"data:image/png;base64,{TEXT[:4]}=={TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}%2B{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}-_{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}\0{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}ａ{TEXT[4:]}",
        f"data:image/png;base64,{TEXT[:4]}\udc80{TEXT[4:]}",
    ],
)
def test_base64_is_read_strictly(url):
    assert fault(url) is APIErrorCode.IMAGE_UNREADABLE


def test_size_is_judged_before_anything_is_decoded():
    data = base64.b64encode(bytes(1000)).decode()
    assert len(read_data_url(f"data:image/png;base64,{data}", 1000, None)) == 1000
    assert fault(f"data:image/png;base64,{data}", 999) is APIErrorCode.IMAGE_TOO_LARGE
    large = "data:image/png;base64," + "A" * 40_000_000
    tracemalloc.start()
    assert fault(large, 1000) is APIErrorCode.IMAGE_TOO_LARGE
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_other_urls():
    assert not is_data_url("https://images.example.org/data:image/png;base64,")


@pytest.mark.parametrize("kind", [str, str.encode, lambda text: memoryview(text.encode())])
def test_a_large_one_is_decoded_in_pieces(kind):
    data = bytes(range(256)) * 4000
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    assert read_data_url(kind(url), len(data), None) == data
    assert (
        fault(kind(url[:400_000] + "==" + url[400_000:]), 1 << 30) == APIErrorCode.IMAGE_UNREADABLE
    )
    head, _, text = url.partition(",")
    early = f"{head},{text[: (256 << 10) - 4]}AA==AAAA{text[256 << 10 :]}"
    assert fault(kind(early), 1 << 30) == APIErrorCode.IMAGE_UNREADABLE
    assert fault(kind(url), len(data) - 1) == APIErrorCode.IMAGE_TOO_LARGE
