"""With vLLM as its engine, played by a stand-in, a model answers as with the built-in one."""

import asyncio
import dataclasses

import pytest
import torch

from palo import config
from palo.errors import ConfigError
from palo.inference.request import Request, Sampling
from palo.inference.settings import EngineSettings
from palo.serve.backends import load_engine
from palo.serve.loading import ModelSource
from palo.serve.replica import ReplicaSettings
from palo.serve.settings import ScaleSettings, ServeSettings

SMALL = EngineSettings(num_slots=2, max_context=96)


def said(engine):
    torch.manual_seed(3)
    request = Request(
        prompt_ids=[1, -200, 9, 10],
        image_ids=("x",),
        features={"x": torch.randn(16, 32)},
        sampling=Sampling(max_tokens=12),
    )

    async def ask():
        return [output async for output in engine.stream(request)]

    return [token.id for output in asyncio.run(ask()) for token in output.tokens]


def test_both_say_the_same(adapted_stages, vllm_like):
    sources = [ModelSource(name="first", folder=adapted_stages["first"])]
    answers = []
    for backend in ("built-in", "vllm"):
        loaded, engine = load_engine(sources, SMALL, backend)
        assert loaded.voices["first"].adapter is None
        answers.append(said(engine))
        engine.close()
    assert len(answers[0]) > 3
    assert answers[0] == answers[1]


def test_vllm_needs_a_gpu(finished_stage):
    settings = ServeSettings(
        models=(ModelSource(name="palo", folder=finished_stage),),
        replica=ReplicaSettings(backend="vllm"),
    )
    with pytest.raises(ConfigError, match="num_gpus"):
        config.check(settings)
    config.check(dataclasses.replace(settings, scale=ScaleSettings(num_gpus=1)))
