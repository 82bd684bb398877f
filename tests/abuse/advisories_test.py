"""The last year's advisories for servers, libraries and models like ours, tried on ours.

Each test names the advisories whose kind it tries. vLLM and SGLang are no part of the lock: what
went wrong in them could go wrong in any server that speaks the same protocol. Some are tried
elsewhere: timing of cached prompts (CVE-2025-46570) in tenants_test, the comparison of keys
(CVE-2025-59425) in api_test, addresses that two parsers read differently (CVE-2026-24779) in
tests/unit/serve/image_reader_test.py, Ray's agent and a browser (CVE-2025-62593,
CVE-2026-27482) in tests/ray_local/private_ray_test.py.
"""

import base64
import io
import json
import os
import pickle
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.version import Version
from PIL import Image, MpoImagePlugin
from starlette.testclient import TestClient
from tests.abuse.endpoints import Played, app_of, ask, client_of, handler_of, keyed, refused
from tests.fixtures.browser_pages import served

from palo.errors import ImageError, PaloError
from palo.images.decode import decode_image, to_pixels
from palo.images.preprocessing import Preprocessing
from palo.reasons import Reason

# What is locked has to be at least this, for these.
_FIXED = [
    ("aiohttp", "3.14.4", "CVE-2026-111064, CVE-2026-111066"),
    ("brotli", "1.2.1", "CVE-2026-111497"),
    ("certifi", "2026.10.19", "the eMudhra authorities that lost their keys in October 2026"),
    ("gradio", "6.7.0", "CVE-2026-28414, CVE-2026-28415, CVE-2026-28416"),
    ("gradio", "6.20.0", "CVE-2026-49119, CVE-2026-59806"),
    ("pillow", "12.2.0", "CVE-2026-25990, CVE-2026-40192, CVE-2026-42308"),
    ("pillow", "12.3.0", "CVE-2026-55379, CVE-2026-55380, CVE-2026-59200"),
    ("python-multipart", "0.0.26", "CVE-2026-24486, CVE-2026-40347"),
    ("ray", "2.54.0", "CVE-2025-62593, CVE-2026-27482"),
    ("ray", "2.56.0", "CVE-2026-41486, CVE-2026-57516"),
    ("starlette", "1.0.1", "CVE-2025-62727, CVE-2026-48710"),
    ("transformers", "5.3.0", "CVE-2026-1839, CVE-2026-4372"),
]
_LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
_PAGE_KEY = "sk-page"


@pytest.mark.parametrize(("name", "fixed", "advisories"), _FIXED)
def test_what_is_locked_has_the_fix(name: str, fixed: str, advisories: str) -> None:
    (version,) = re.findall(rf"^{name}==(\S+)", _LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    assert Version(version) >= Version(fixed), advisories


@pytest.fixture
def model() -> Played:
    return Played()


@pytest.fixture
def client(tmp_path: Path, model: Played) -> TestClient:
    """Somebody with a key."""
    key_file = tmp_path / "keys.json"
    secret = keyed(key_file)
    return client_of(app_of(handler_of(model, key_file)), secret)


@pytest.fixture
def stranger(client: TestClient) -> TestClient:
    """Somebody without one."""
    del client.headers["Authorization"]
    return client


# Requests and routes.

_OPEN = {"/health", "/healthz"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PALO")
_OTHERS_ROUTES = (
    "/tokenize", "/detokenize", "/pooling", "/invocations", "/v1/completions", "/v1/responses",
    "/v1/embeddings", "/v1/load_lora_adapter", "/inference/v1/generate", "/generate",
    "/v1/chat/completions/derender", "/sleep", "/collective_rpc", "/server_info", "/flush_cache",
    "/pause_generation", "/docs", "/redoc", "/openapi.json", "/api/jobs/", "/-/routes",
)  # fmt: skip


def _spellings(path: str) -> Iterator[str]:
    yield from (path, path + "/", "/" + path, path.replace("/", "//"), path.upper())
    yield from (f"/x/..{path}", f"/healthz/..{path}", f"/healthz/%2e%2e{path}", path + "%00")
    yield from (
        path.replace("/v1/", "/v1%2f"),
        path + ";/healthz",
        path + "?/healthz",
        path + "%20",
    )


@pytest.mark.parametrize("method", _METHODS)
def test_without_a_key_no_route_answers(stranger: TestClient, model: Played, method: str) -> None:
    """CVE-2026-100650: an open /tokenize; CVE-2026-103270: open routes for control."""
    routes = [getattr(route, "path", "") for route in stranger.app.routes]
    assert {"/v1/chat/completions", "/metrics", "/healthz"} <= set(routes)
    paths = {route.replace("{name:path}", "palo") for route in routes} - _OPEN
    for path in {*_OTHERS_ROUTES, *(odd for known in paths for odd in _spellings(known))}:
        answer = stranger.request(method, path, content=b"{}")
        assert answer.status_code in (400, 401, 404, 405), (method, path, answer.status_code)
        assert "palo" not in answer.text.replace("/palo", ""), (method, path)
    assert not model.asked


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000/healthz?", "x/healthz#", "a/healthz/..", "healthz@b", "[", "", "x:/y"]
)
def test_a_host_header_opens_no_path(stranger: TestClient, host: str) -> None:
    """CVE-2026-48710 of Starlette, and CVE-2026-48746, what became of it in vLLM."""
    for path in ("/v1/models", "/metrics", "/v1/models/palo"):
        assert stranger.get(path, headers={"host": host}).status_code == 401


@pytest.mark.parametrize("count", [10**12, 2**63, 1000, -1, 0])
def test_the_number_of_answers_is_bounded(client: TestClient, model: Played, count: int) -> None:
    """CVE-2026-34756."""
    assert refused(ask(client, n=count)) == (400, "invalid_request")
    assert not model.asked


# Images in requests.


def _png(width: int = 4, height: int = 4, colour: Any = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def _url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode()


def _parts(*urls: str) -> list[dict[str, Any]]:
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"type": "text", "text": "?"}, *images]


def test_images_are_counted_before_one_is_read(
    client: TestClient, model: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2026-100650: media were fetched or decoded in full before their limits were looked at."""
    reader = "palo.serve.image_reader.ImageReader.read"
    monkeypatch.setattr(reader, lambda *_: pytest.fail("an image was read"))
    assert refused(ask(client, _parts(*[_url(_png())] * 50))) == (400, "too_many_images")
    assert not model.asked


@pytest.mark.parametrize("kind", ["video/jpeg", "image/png", "image/jpeg"])
def test_one_address_is_one_image(client: TestClient, model: Played, kind: str) -> None:
    """CVE-2026-5497: thousands of frames, with commas between them, in one data: URL."""
    frames = ",".join([base64.b64encode(_png()).decode()] * 2000)
    assert refused(ask(client, _parts(f"data:{kind};base64,{frames}"))) == (400, "image_unreadable")
    assert not model.asked


@pytest.mark.parametrize(
    "text",
    [
        "<image>",
        "<image>\n<image>\n<image>",
        "<|vision_start|><|image_pad|><|vision_end|>",
        "<|image_1|>",
        "[IMG]",
        "<im_start><im_patch><im_end>",
    ],
)
def test_placeholders_in_a_text_are_text(client: TestClient, model: Played, text: str) -> None:
    """CVE-2026-44222: a placeholder in a text, without an image, ended the engine."""
    assert ask(client, text).status_code == 200
    assert (
        ask(client, [{"type": "text", "text": text}, *_parts(_url(_png()))[1:]]).status_code == 200
    )
    bare, with_image = (asked.conversation.turns[-1] for asked in model.asked)
    assert (bare.text, bare.num_images, with_image.num_images) == (text, 0, 1)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_embeds", "image_embeds": "AAAA"},
        {"type": "prompt_embeds", "prompt_embeds": "AAAA"},
        {"type": "audio_url", "audio_url": {"url": "http://127.0.0.1/"}},
        {"type": "video_url", "video_url": {"url": "http://127.0.0.1/"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": "AAAA"}},
    ],
)
def test_only_text_and_images_are_content(client: TestClient, model: Played, part: Any) -> None:
    """CVE-2025-62164, CVE-2026-56340 and CVE-2026-73557: tensors that a client sent."""
    assert refused(ask(client, [{"type": "text", "text": "?"}, part]))[0] == 400
    assert not model.asked


_FOREIGN_FIELDS = {
    "prompt_embeds": base64.b64encode(pickle.dumps({"a": 1})).decode(),
    "mm_hashes": {"image": ["0" * 64]},
    "mm_placeholders": {"image": [{"offset": 0, "length": -1}] * 2},
    "multi_modal_data": {"image": ["x"]},
    "mm_processor_kwargs": {"num_crops": 10**9},
    "chat_template": "{% for i in range(10**9) %}{% endfor %}",
    "chat_template_kwargs": {"tokenize": True},
    "cache_salt": "",
    "guided_regex": "(a+)+$",
    "image_hash": "0" * 64,
}


@pytest.mark.parametrize("name", _FOREIGN_FIELDS)
def test_no_field_reaches_behind_the_protocol(client: TestClient, model: Played, name: str) -> None:
    """CVE-2026-105754, CVE-2026-111392, PYSEC-2026-4353: metadata of media that didn't fit them.

    A request that has such a field is refused, or answered as if it didn't have it.
    """
    answer = ask(client, _parts(_url(_png())), **{name: _FOREIGN_FIELDS[name]})
    assert answer.status_code in (200, 400)
    expected = ask(client, _parts(_url(_png())))
    assert expected.status_code == 200
    *others, plain = model.asked
    for asked in others:
        assert asked.conversation == plain.conversation
        assert asked.sampling == plain.sampling
        assert [one.image_id for one in asked.images] == [one.image_id for one in plain.images]


def test_equal_pixels_of_another_shape_are_another_image(client: TestClient, model: Played) -> None:
    """CVE-2025-46722: 30 x 100 and 100 x 30 of one colour had one name in the cache."""
    assert ask(client, _parts(_url(_png(30, 100)), _url(_png(100, 30)))).status_code == 200
    (asked,) = model.asked
    assert len({one.image_id for one in asked.images}) == 2


# Image files.

_SMALL = Preprocessing(image_size=28, shortest_edge=28)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 4000), (4000, 1), (2, 3)])
def test_images_of_odd_shapes_are_images(width: int, height: int) -> None:
    """CVE-2026-22773: an image of one pixel ended the engine."""
    assert to_pixels(decode_image(_png(width, height)), _SMALL).shape == (3, 28, 28)


@pytest.mark.parametrize("data", [b"", b"GIF89a", _png()[:40], b"\x89PNG\r\n\x1a\n" + b"\0" * 99])
def test_a_refusal_tells_no_address_of_memory(data: bytes) -> None:
    """CVE-2026-22778: Pillow's message named an object and where it lay."""
    with pytest.raises(ImageError) as refusal:
        decode_image(data)
    assert not re.search(r"0x[0-9a-f]{4,}|object at|BytesIO", str(refusal.value))


def _fits_bomb() -> bytes:
    cards = [
        "SIMPLE  = T",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 30000",
        "NAXIS2  = 30000",
        "END",
    ]
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode()


@pytest.mark.parametrize(
    "data",
    [
        _fits_bomb(),
        b"8BPS\0\1" + b"\0" * 6 + b"\0\3" + b"\0\0\x75\x30" * 2 + b"\0\x08\0\3",  # PSD
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%BeginBinary: -9\n",
        b"%PDF-1.4\n1 0 obj << /Length 9 >> stream",
        b"\xff\xfe" + b"\x75\x30" * 2 + b"\0" * 99,  # GD
        (b"\x41\x20\0\0" * 27).ljust(1024, b"\0"),  # SPIDER
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 99,  # JPEG 2000
        b"\xb1\x68\xde\x3a" + b"\0" * 99,  # DCX
    ],
)
def test_decoders_that_nobody_needs_are_never_asked(data: bytes) -> None:
    """CVE-2026-25990, CVE-2026-40192, CVE-2026-55380, CVE-2026-59200, CVE-2026-96637."""
    with pytest.raises(ImageError) as refusal:
        decode_image(data)
    assert refusal.value.fact == Reason.IMAGE_UNKNOWN


def test_only_the_first_frame_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2026-96636, which Pillow 12.3 has: a further frame passes the check for bombs."""
    frames = [Image.new("RGB", (8, 8), "red"), Image.new("RGB", (900, 900), "blue")]
    file = io.BytesIO()
    frames[0].save(file, "MPO", save_all=True, append_images=frames[1:])
    seek = "seek of a further frame"
    monkeypatch.setattr(MpoImagePlugin.MpoImageFile, "seek", lambda *_: pytest.fail(seek))
    assert decode_image(file.getvalue()).size == (8, 8)


# Files of models and corpora.


class _Tells:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


def _model_folder(folder: Path, canary: Path, **config: Any) -> Path:
    """A folder that would run code wherever a loader lets it."""
    import torch

    folder.mkdir()
    code = f"import os\nos.mkdir({str(canary)!r})\n"
    values = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": 99,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
    }
    (folder / "config.json").write_text(json.dumps(values | config))
    (folder / "evil.py").write_text(code)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["evil.Evil", None]}})
    )
    for name in ("pytorch_model.bin", "rng_state.pth", "training_args.bin"):
        torch.save(_Tells(canary), folder / name)
    return folder


_AUTO_MAP = {name: f"evil.{name}" for name in ("AutoConfig", "AutoModel", "AutoModelForCausalLM")}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"auto_map": _AUTO_MAP, "trust_remote_code": True},
        {"model_type": "evil", "auto_map": _AUTO_MAP, "trust_remote_code": True},
        {"_attn_implementation_internal": "evil/kernels", "_attn_implementation": "evil/kernels"},
    ],
    ids=["pickle", "auto_map", "unknown_type", "kernels"],
)
def test_a_model_folder_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    """CVE-2026-1839, CVE-2026-4372, CVE-2026-5241 and CVE-2026-41523."""
    import huggingface_hub

    from palo.model.assemble import assemble
    from palo.translate.backends.local_worker import LocalModel

    for name in ("hf_hub_download", "snapshot_download"):
        monkeypatch.setattr(huggingface_hub, name, lambda *_, **__: pytest.fail("asked the hub"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to trust"))
    canary = tmp_path / "canary"
    folder = _model_folder(tmp_path / "model", canary, **config)
    with pytest.raises(PaloError):
        assemble(folder, folder)
    with pytest.raises(PaloError):
        LocalModel(folder, batch_size=1, max_new_tokens=1)
    assert not canary.exists()


@pytest.mark.parametrize(
    "name", ["arrow_tensor", "arrow_tensor_v2", "arrow_variable_shaped_tensor"]
)
def test_a_table_runs_nothing_that_its_schema_brings(tmp_path: Path, name: str) -> None:
    """CVE-2026-41486: Ray Data unpickled the metadata of a column's type."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import ray.data  # noqa: F401 - registers its types with pyarrow

    from palo import storage

    canary = tmp_path / "canary"
    told = {
        b"ARROW:extension:name": b"ray.data." + name.encode(),
        b"ARROW:extension:metadata": pickle.dumps(_Tells(canary)),
    }
    turns = pa.array([[{"from": "human", "value": "?"}]])
    cells = pa.array([[1, 2]], pa.list_(pa.int64()))
    schema = pa.schema(
        [pa.field("conversations", turns.type), pa.field("id", cells.type, metadata=told)]
    )
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table([turns, cells], schema=schema), path)
    with pytest.raises(PaloError), storage.open_parquet(path) as file:
        list(file.iter_batches())
    assert not canary.exists()


# The page.


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The chat page, which asks for a key."""
    from tests.fixtures.chat_server import running_chat_server

    from palo.client import Endpoint
    from palo.serve.chat_page.mount import mount_page
    from palo.serve.chat_page.settings import PageSettings

    with running_chat_server() as chat:
        chat.key = _PAGE_KEY
        settings = PageSettings(
            endpoint=Endpoint(url=chat.url),
            login=True,
            feedback=tmp_path_factory.mktemp("feedback"),
        )
        with served(lambda app: mount_page(app, settings)) as url:
            yield url


@pytest.fixture
def visitor(page: str) -> Iterator[httpx.Client]:
    """Somebody who has logged in."""
    with httpx.Client(base_url=page, timeout=60) as browser:
        assert browser.post("login", data={"key": _PAGE_KEY}).status_code == 303
        assert browser.get("").status_code == 200
        yield browser


_INWARD = "http://169.254.169.254/latest/meta-data"


@pytest.mark.parametrize(
    "path",
    [
        "file=/etc/passwd",
        "file=%2Fetc%2Fpasswd",
        "file=../../../../etc/passwd",
        f"file={_INWARD}",
        "file=%2F%2F169.254.169.254/x",
        f"proxy={_INWARD}",
        "component_server",
        "startup-events/..%2f..%2fetc/passwd",
        f"login/callback?_target_url={_INWARD}",
        f"logout?_target_url={_INWARD}",
        "monitoring",
        "monitoring/summary",
        "runs",
        "run-history/buckets",
        "run-history/records?bucket=a/b",
        "vibe-starter-queries/",
        "mcp/",
        "mcp/sse",
    ],
)
@pytest.mark.parametrize("headers", [{}, {"host": "localhost"}])
def test_gradios_side_routes_lead_nowhere(
    visitor: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    """CVE-2026-28414, -28415, -28416, -49119, -59806, and -134825, which Gradio 6.31 has."""
    for prefix in ("gradio_api/", ""):
        answer = visitor.get(prefix + path, headers=headers)
        assert answer.status_code in (303, 307, 400, 401, 403, 404, 405, 422), answer.text[:200]
        assert "169.254" not in answer.headers.get("location", "")
        assert "root:" not in answer.text


def _cpu_seconds(work: Any) -> float:
    """Returns the least CPU time of this process; the page runs in a thread of it."""
    times = []
    for _ in range(3):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times)


def test_many_ranges_cost_no_more_than_their_bytes(visitor: httpx.Client) -> None:
    """CVE-2025-62727: merging the ranges of a file took quadratic time."""
    page = visitor.get("").text
    (path, *_) = re.findall(r"(?:src|href)=\"\./?(assets/[^\"]+\.js)\"", page)

    def cost(count: int) -> float:
        ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(count))
        return _cpu_seconds(lambda: visitor.get(path, headers={"range": ranges}))

    assert cost(4000) < 20 * max(cost(400), 0.02)


def test_what_surrounds_an_upload_costs_no_more_than_its_bytes(visitor: httpx.Client) -> None:
    """CVE-2026-40347: line ends before the first boundary, and all behind the last."""

    def cost(size: int) -> float:
        file = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        content = b"\r\n" * (size // 2) + file + _png() + b"\r\n--b--\r\n" + b"-\r\n" * (size // 3)
        kind = {"content-type": "multipart/form-data; boundary=b"}
        return _cpu_seconds(
            lambda: visitor.post("gradio_api/upload", content=content, headers=kind)
        )

    assert cost(1 << 20) < 20 * max(cost(64 << 10), 0.02)
