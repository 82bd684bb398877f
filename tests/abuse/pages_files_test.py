"""Files of the server, and of other visitors: no page hands them out, whatever is sent to it.

Regression: any visitor could read any file that the server could read, by its path in an input of
any handler; Gradio checks paths only of pages that it launches itself.
"""

import base64
import io
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image, PngImagePlugin
from tests.fixtures.page_visits import KINDS, Site, Visit, chat_site, visiting

_CANARY = "canary-5b1f0c"
_META = {"meta": {"_type": "gradio.FileData"}}


def _image(text: str = "", colour: str = "red") -> bytes:
    told = PngImagePlugin.PngInfo()
    told.add_text("secret", text)
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "PNG", pnginfo=told)
    return data.getvalue()


@pytest.fixture(scope="module", params=KINDS)
def site(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each page, with and without keys."""
    with KINDS[request.param](tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that the server can read, and nobody may get."""
    path = tmp_path_factory.mktemp("secret") / "secret.png"
    path.write_bytes(_image(_CANARY))
    path.with_suffix(".svg").write_text(f"<svg><text>{_CANARY}</text></svg>")
    return path


def _cache() -> Path:
    from gradio.utils import get_upload_folder

    return Path(get_upload_folder())


def _copies() -> list[Path]:
    return [
        path
        for path in _cache().rglob("*")
        if path.is_file() and (_CANARY.encode() in path.read_bytes() or path.name == "os-release")
    ]


def _forms(path: str) -> list[Any]:
    """Returns the ways in which an input may name a file."""
    file = {"path": path, **_META}
    return [
        file,
        {"path": path},
        {**file, "orig_name": "a.png", "url": f"/gradio_api/file={path}", "mime_type": "image/png"},
        {**file, "is_stream": True},
        {"text": "?", "files": [file]},
        {"text": "?", "files": [{"path": path}]},
        {"text": "?", "files": [path]},
        {"value": file, "__type__": "update"},
        [[{"role": "user", "content": file}], file],
        {"a": {"b": [{"c": file}]}},
    ]  # fmt: skip


def _calls(visit: Visit, forms: list[Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yields every handler with what comes back when a form is in an input, or in its event."""
    for handler in visit.handlers:
        nothing: list[Any] = [None] * len(handler["inputs"])
        for number, component in enumerate(visit.components(handler)):
            if component["type"] == "state":
                continue
            for form in forms:
                yield (
                    handler,
                    visit.call(handler, [*nothing[:number], form, *nothing[number + 1 :]]),
                )
        for form in forms:
            data = {"do": "ask", "text": "?", "image": form, "kept": form}
            yield handler, visit.call(handler, nothing, event_data=data)


def test_no_input_of_any_handler_takes_a_file_of_the_server(site: Site, secret: Path) -> None:
    paths = ["/etc/os-release", "/proc/self/environ", str(secret), str(secret.with_suffix(".svg"))]
    held = [Path("/etc/os-release").read_text().splitlines()[0], _CANARY, "PYTHONPATH="]
    with visiting(site) as visit:
        tried = 0
        for path in paths:
            forms = _forms(path) if path == str(secret) else _forms(path)[:1]
            for handler, told in _calls(visit, forms):
                assert not any(text in told for text in held), (handler, path)
                tried += 1
        assert tried > 50
        assert _copies() == []
        for path in paths:
            answer = visit.http.get(f"gradio_api/file={path}")
            assert answer.status_code in (403, 404)


@pytest.mark.parametrize(
    "form",
    [
        "file:///etc/os-release",
        "http://127.0.0.1:{port}/config",
        "https://localhost/",
        "/gradio_api/file=/etc/os-release",
        "{cache}/../../../../../../etc/os-release",
        "/dev/../etc/os-release",
        "/proc/self/cwd/../../etc/os-release",
        "",
        "\0",
        7,
        ["/etc/os-release"],
    ],
)
def test_no_spelling_of_a_path_is_taken(site: Site, form: Any) -> None:
    if isinstance(form, str):
        form = form.replace("{port}", site.url.split(":")[2].strip("/"))
        form = form.replace("{cache}", str(_cache()))
    name = Path("/etc/os-release").read_text().splitlines()[0]
    with visiting(site) as visit:
        for handler in visit.handlers:
            file = {"path": form, **_META}
            nothing = [None] * len(handler["inputs"])
            if nothing:
                assert visit.join(handler, [file] * len(nothing)).status_code == 403
            for data in (file, {"image": file}):
                assert visit.join(handler, nothing, event_data=data).status_code == 403
        assert name not in visit.http.get(f"gradio_api/file={quote(str(form))}").text


def test_no_other_way_into_a_handler_takes_a_file(site: Site, secret: Path) -> None:
    file = {"path": str(secret), **_META}
    with visiting(site) as visit:
        for handler in visit.handlers:
            body = {
                "data": [file] * len(handler["inputs"]),
                "fn_index": handler["id"],
                "session_hash": "s",
                "component_id": 1,
                "fn_name": "preprocess",
            }
            names = {"predict", str(handler.get("api_name"))}
            for path in (
                "run/{}",
                "api/{}",
                "call/{}",
                "call/v2/{}",
                "run/{}/",
                "component_server",
            ):
                for name in names:
                    answer = visit.http.post(f"gradio_api/{path.format(name)}", json=body)
                    assert answer.status_code in (404, 405), path
        unused = [
            "gradio_api/deep_link?session_hash=s", "gradio_api/info", "gradio_api/openapi.json",
            "gradio_api/vibe-code", "gradio_api/queue/status", "monitoring", "gradio_api/runs",
            "gradio_api/stream/s/1/2/playlist-file", f"gradio_api/proxy={site.url}config",
            f"gradio_api/file/{secret}", "gradio_api/app_id", "svelte/x", "gradio_api/token",
        ]  # fmt: skip
        for path in unused:
            assert visit.http.get(path).status_code == 404, path
        recorded = visit.http.post("gradio_api/process_recording", files={"video": b"1"})
        assert recorded.status_code == 404
    assert _copies() == []


def test_an_upload_is_its_visitors_alone(site: Site) -> None:
    content = _image("of one visitor")
    with visiting(site) as one, visiting(site) as other:
        if site.chat is None:  # nothing can be uploaded to this page but a byte
            path = one.upload("mine.png", b"1")
        else:
            path = one.upload("mine.png", content)
        assert one.http.get(f"gradio_api/file={path}").status_code == 200
        assert other.http.get(f"gradio_api/file={path}").status_code == 403
        for handler in other.handlers:
            for number, _ in enumerate(other.components(handler)):
                data: list[Any] = [None] * len(handler["inputs"])
                data[number] = {"text": "?", "files": [{"path": path, **_META}]}
                assert other.join(handler, data).status_code == 403
            event = {"do": "ask", "text": "?", "image": {"path": path}}
            nothing: list[Any] = [None] * len(handler["inputs"])
            assert other.join(handler, nothing, event_data=event).status_code == 403


@pytest.mark.parametrize("key", [None, "sk-site"])
def test_a_question_has_images_of_its_visitor_alone(
    tmp_path: Path, secret: Path, key: str | None
) -> None:
    """Regression: a question took any path that ends as an image's does."""
    with chat_site(tmp_path, key) as site, visiting(site) as visit, visiting(site) as other:
        mine, others = _image("mine", "blue"), _image("others", "green")
        theirs = other.upload("theirs.png", others)
        for path in (str(secret), theirs):
            told = visit.ask("what is it?", {"path": path, "orig_name": "a.png", **_META})
            assert _CANARY not in told
        assert site.chat is not None
        sent = json.dumps(site.chat.asked)
        assert base64.b64encode(secret.read_bytes()).decode() not in sent
        assert base64.b64encode(others).decode() not in sent
        path = visit.upload("mine.png", mine)
        assert "process_completed" in visit.ask("what is it?", {"path": path, **_META})
        assert base64.b64encode(mine).decode() in json.dumps(site.chat.asked)


def test_other_users_of_the_machine_cannot_read_uploads(site: Site) -> None:
    """Regression: uploads lay in a folder of /tmp that everybody could read."""
    with visiting(site) as visit:
        path = Path(visit.upload("mine.png", b"1"))
    folder = _cache()
    assert path.is_relative_to(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()
