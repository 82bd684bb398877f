"""What we rely on within Gradio: another version that changes it must be looked at again."""

import ast
import inspect
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import fastapi
import gradio as gr
import pytest
from starlette.testclient import TestClient

from palo.webui.mounting import as_if_launched, make_private

# All that launch() sets, looked at in 6.31: what mount_gradio_app doesn't set is about a server,
# a public tunnel or a notebook of Gradio's own, but for has_launched and is_running.
_SET_BY_LAUNCH = {
    "_node_is_proxy", "_queue", "_ssr_degraded", "_static_worker_pool", "allowed_paths", "app",
    "artifact", "auth", "auth_message", "blocked_paths", "config", "css", "css_paths",
    "enable_monitoring", "favicon_path", "footer_links", "has_launched", "head", "head_paths",
    "height", "i18n_instance", "is_colab", "is_hosted_notebook", "is_running", "js",
    "local_api_url", "local_url", "max_file_size", "max_threads", "mcp_server_obj", "node_path",
    "node_port", "node_process", "node_server_name", "protocol", "pwa", "root_path",
    "run_history", "server", "server_app", "server_name", "server_port", "share",
    "share_server_address", "share_server_protocol", "share_server_tls_certificate",
    "share_url", "show_error", "ssl_verify", "ssr_mode", "state_session_capacity", "theme",
    "width",
}  # fmt: skip
_LAUNCH_ALONE = {
    "_app", "_frontend", "debug", "height", "inbrowser", "inline", "max_threads", "num_workers",
    "prevent_thread_lock", "quiet", "self", "share", "share_server_address",
    "share_server_protocol", "share_server_tls_certificate", "ssl_certfile", "ssl_keyfile",
    "ssl_keyfile_password", "ssl_verify", "state_session_capacity", "strict_cors", "width",
}  # fmt: skip


def test_launching_sets_what_it_set_when_we_looked():
    tree = ast.parse(textwrap.dedent(inspect.getsource(gr.Blocks.launch)))
    targets = [
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    found = {
        part.attr
        for target in targets
        for part in ast.walk(target)
        if isinstance(part, ast.Attribute) and ast.unparse(part.value) == "self"
    }
    assert found == _SET_BY_LAUNCH


def test_launching_takes_what_it_took_when_we_looked():
    parameters = inspect.signature(gr.Blocks.launch).parameters
    alone = parameters.keys() - inspect.signature(gr.mount_gradio_app).parameters.keys()
    assert alone == _LAUNCH_ALONE


@pytest.fixture
def call(tmp_path):
    """Calls a handler of a mounted page with a file, past all guards of ours."""

    def call(path, *, hardened):
        make_private()
        with gr.Blocks() as page:
            box, text = gr.Image(type="filepath"), gr.Textbox()
            box.change(lambda given: str(given), box, text)
        app = fastapi.FastAPI()
        gr.mount_gradio_app(app, page, "/", ssr_mode=False)
        assert (page.has_launched, page.is_running) == (False, False)
        if hardened:
            as_if_launched(page)
        file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        with TestClient(app) as http:
            body = {"data": [file], "fn_index": 0, "session_hash": "s"}
            return http.post("/gradio_api/run/predict", json=body).status_code

    return call


def test_a_page_that_counts_as_launched_looks_at_paths(call, tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "any.png")
    (tmp_path / "any.svg").write_text("<svg></svg>")
    assert call(tmp_path / "any.png", hardened=False) == 200, "Gradio looks by itself: say so here"
    assert call(tmp_path / "any.png", hardened=True) == 500
    assert call(tmp_path / "any.svg", hardened=True) == 500


def test_nothing_is_written_where_others_can_read(tmp_path):
    """Regression: /tmp/gradio is one folder for all users of a machine, readable by each."""
    script = """
import fastapi, json, os, pathlib
from palo.serve.chat_page.mount import mount_page
from palo.serve.chat_page.settings import PageSettings
mount_page(fastapi.FastAPI(), PageSettings())
import gradio.utils
top = pathlib.Path(os.environ["TMPDIR"])
modes = {one.name: one.stat().st_mode & 0o777 for one in top.iterdir() if one.is_dir()}
print(json.dumps([modes, gradio.utils.get_upload_folder()]))
"""
    environ = {**os.environ, "TMPDIR": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    environ.pop("GRADIO_TEMP_DIR", None)
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, env=environ, capture_output=True, text=True, check=True)
    modes, folder = json.loads(done.stdout.splitlines()[-1])
    assert modes
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert "gradio" not in modes
    assert not Path(folder).exists(), "uploads outlive the process"
    assert list(tmp_path.glob("palo-*")) == [], "images of the examples outlive the process"
