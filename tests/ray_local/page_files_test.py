"""The chat page on Ray Serve, below its path: nobody gets files of the server or of others."""

import socket
from pathlib import Path

import pytest
from tests.fixtures.chat_server import running_chat_server
from tests.fixtures.page_visits import GENEROUS, Site, visiting

pytestmark = pytest.mark.ray

_META = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def site(local_ray, tmp_path_factory):
    """The page alone, in front of a small server."""
    from ray import serve

    from palo.client import Endpoint
    from palo.serve.chat_page.settings import PageSettings
    from palo.serve.page_server import page_application
    from palo.serve.running import PAGE_PATH, run_page, start_proxy
    from palo.webui.usage import QuotaSettings

    folder = tmp_path_factory.mktemp("feedback")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running_chat_server() as chat:
        chat.key = "sk-site"
        start_proxy("127.0.0.1", port)
        settings = PageSettings(
            endpoint=Endpoint(url=chat.url),
            login=True,
            feedback=folder,
            quotas=QuotaSettings(**GENEROUS),
        )
        run_page(page_application(settings))
        url = f"http://127.0.0.1:{port}{PAGE_PATH.rstrip('/')}/"
        yield Site(url=url, key="sk-site", chat=chat, folder=folder)
        serve.shutdown()


def test_no_visitor_gets_a_file_that_is_not_theirs(site, tmp_path):
    """Regression: a visitor of the page on Ray Serve read the environment of its process."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"canary-5b1f0c")
    name = Path("/etc/os-release").read_text().splitlines()[0]
    with visiting(site) as one, visiting(site) as other:
        mine = one.upload("mine.png", b"1")
        assert one.http.get(f"gradio_api/file={mine}").content == b"1"
        for path in ("/etc/os-release", "/proc/self/environ", str(secret), mine):
            assert other.http.get(f"gradio_api/file={path}").status_code == 403
            for handler in other.handlers:
                for number, _ in enumerate(handler["inputs"]):
                    data = [None] * len(handler["inputs"])
                    data[number] = {"path": path, **_META}
                    told = other.call(handler, data)
                    assert "isn't one of yours" in told
                    assert name not in told
        assert "process_completed" in one.ask("say plum")


def test_another_site_reaches_nothing(site):
    with visiting(site) as visit:
        for headers in ({"origin": "http://127.0.0.1:1"}, {"sec-fetch-site": "same-site"}):
            assert visit.http.get("config", headers=headers).status_code == 403
            assert visit.http.post("gradio_api/queue/join", headers=headers).status_code == 403
        assert visit.http.post("logout").status_code == 303
        assert visit.http.get("config").status_code == 401
