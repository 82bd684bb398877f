"""vLLM's server behind our endpoint, in the environment that vllm_test.py describes."""

import base64
import os
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from tests.abuse.endpoints import app_of, ask, client_of, handler_of_models, keyed, refused
from tests.fixtures.gguf_models import write_nano_stage
from tests.fixtures.ray_head import end_family, free_ports, wait_until_up

from palo.checkpoint.exporting.llava import write_llava
from palo.checkpoint.finished import read_stage
from palo.serve.upstream import UpstreamSource, upstream_calls

_PYTHON = os.environ.get("PALO_VLLM_PYTHON", "")
_NUM_TOKENS = 12

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not _PYTHON, reason="PALO_VLLM_PYTHON names no python with vLLM"),
]


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory):
    """Address of vLLM with an export of the nano base, named `there`."""
    folder = tmp_path_factory.mktemp("vllm")
    write_llava(read_stage(write_nano_stage(folder)), folder / "llava", torch.float32)
    (port,) = free_ports(1)
    command = [_PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--model", str(folder / "llava"), "--dtype", "float32"]
    command += ["--served-model-name", "there", "--enforce-eager", "--max-num-seqs", "4"]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1"}
    with (folder / "vllm.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until_up(server, port, folder / "vllm.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        end_family(server)


@pytest.fixture
def front(tmp_path: Path, vllm: str):
    """A client of our endpoint, whose model `other` is vLLM's."""
    secret = keyed(tmp_path / "keys.json")
    calls = upstream_calls([UpstreamSource(name="other", url=vllm, model="there")])
    return client_of(app_of(handler_of_models(calls, tmp_path / "keys.json")), secret)


def _png(folder: Path) -> str:
    path = folder / "image.png"
    blocks = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(blocks).resize((96, 96), Image.Resampling.NEAREST).save(path)
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def test_answers_are_those_of_vllm_with_and_without_an_image(front, vllm, tmp_path):
    image = {"type": "image_url", "image_url": {"url": _png(tmp_path)}}
    for content in ("¿Qué ves?", [image, {"type": "text", "text": "এটা কী?"}]):
        # Our hint of the language comes with the question only if it is asked for.
        body = {"model": "there", "messages": [{"role": "user", "content": content}]}
        body |= {"max_tokens": _NUM_TOKENS, "temperature": 0}
        direct = httpx.post(
            f"{vllm}/v1/chat/completions", json=body, timeout=120, trust_env=False
        ).json()
        answer = ask(front, content, model="other", max_tokens=_NUM_TOKENS).json()
        told = direct["choices"][0]["message"]["content"]
        assert answer["choices"][0]["message"]["content"] == told
        assert told
        for counted in ("prompt_tokens", "completion_tokens"):
            assert answer["usage"][counted] == direct["usage"][counted]
        assert answer["model"] == "other"
        streamed = ask(front, content, model="other", max_tokens=_NUM_TOKENS, stream=True).text
        assert streamed.count("data: {") > 3
        assert streamed.endswith("data: [DONE]\n\n")


def test_a_conversation_that_is_too_long_there_has_our_code(front):
    assert refused(ask(front, "word " * 20_000, model="other")) == (400, "context_length_exceeded")
