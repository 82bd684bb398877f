"""Loading models for a replica, and both engines on them; vLLM is played by a stand-in."""

import asyncio
import dataclasses

import pytest
import torch

from palo import config, storage
from palo.checkpoint.finished import describe_stage, stage_folder
from palo.checkpoint.load import load_trained
from palo.errors import ConfigError, DataError
from palo.inference.engine import EngineSettings
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.serve.grouping import group_by_base
from palo.serve.loading import load_engine, load_models
from palo.serve.settings import ModelSource, ReplicaSettings, ScaleSettings, ServeSettings

SMALL = EngineSettings(num_slots=4, max_context=96)


def sources(folders):
    return tuple(ModelSource(name=name, folder=folder) for name, folder in folders.items())


def answers(model, tokenizer, adapters, names):
    torch.manual_seed(3)
    features = {"x": torch.randn(16, 32)}
    requests = [
        Request(
            prompt_ids=[1, -200, 9, 10],
            image_ids=("x",),
            features=features,
            sampling=Sampling(max_tokens=12),
            adapter=name,
        )
        for name in names
    ]
    ids = [[] for _ in names]
    for place, output in Scheduler(model, tokenizer, SMALL, adapters).run(requests):
        ids[place] += [token.id for token in output.tokens]
    return ids


def test_models_on_one_base_answer_as_each_alone(adapted_stages):
    loaded = load_models(sources(adapted_stages), "cpu")
    together = answers(loaded.model, loaded.tokenizer, loaded.adapters, list(adapted_stages))
    assert together[0] != together[1]
    for name, found in zip(adapted_stages, together, strict=True):
        alone = load_trained(adapted_stages[name])
        assert answers(alone.model, alone.tokenizer, {}, [None]) == [found]
    served_models = loaded.served_models
    assert [served_models[name].adapter for name in adapted_stages] == ["first", "second"]
    assert served_models["first"].version != served_models["second"].version


def test_a_model_that_stands_alone_is_merged(adapted_stages):
    loaded = load_models(sources({"only": adapted_stages["first"]}), "cpu")
    assert not loaded.adapters
    assert loaded.served_models["only"].adapter is None
    assert loaded.preprocessing.image_size == 32


def test_models_are_put_together_by_their_base(adapted_stages, finished_stage):
    groups = group_by_base(sources(adapted_stages | {"plain": finished_stage}))
    assert [[source.name for source in group] for group in groups] == [
        ["first", "second"],
        ["plain"],
    ]


def test_two_models_of_one_name_are_refused(finished_stage):
    twice = sources({"a": finished_stage}) * 2
    with pytest.raises(ConfigError, match="two models have one name: a"):
        group_by_base(twice)


def test_a_stage_that_only_captions_is_refused(caption_stage):
    with pytest.raises(ConfigError, match="can't talk"):
        group_by_base(sources({"a": caption_stage}))


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(DataError, match="no finished model here"):
        group_by_base(sources({"a": tmp_path}))


def test_a_run_leads_to_its_finetune_stage(adapted_stages):
    folder = adapted_stages["first"]
    assert stage_folder(folder.parent) == folder
    assert stage_folder(folder) == folder


TWO_SLOTS = EngineSettings(num_slots=2, max_context=96)


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
        loaded, engine = load_engine(sources, TWO_SLOTS, backend)
        assert loaded.served_models["first"].adapter is None
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


def test_models_in_a_store_answer_as_those_on_a_disk(adapted_stages, bucket, tmp_path, monkeypatch):
    """Stages and the parts that they name lie on S3; a replica copies what it needs."""
    monkeypatch.setenv("PALO_SCRATCH", str(tmp_path / "ssd"))
    there = {}
    for name, folder in adapted_stages.items():
        stage = describe_stage(folder)
        there[name] = bucket / "runs" / name / "finetune"
        for path in (path for path in folder.rglob("*") if path.is_file()):
            storage.copy_file(path, there[name] / path.relative_to(folder))
        parts = {}
        for part in ("tower", "language_model", "tokenizer"):
            parts[part] = bucket / "models" / part
            for path in getattr(stage.parts, part).iterdir():
                storage.copy_file(path, parts[part] / path.name)
        values = storage.read_json(folder / "model.json")
        values["parts"] |= {part: str(path) for part, path in parts.items()}
        storage.write_json(there[name] / "model.json", values)
    (group,) = group_by_base(sources(there))
    loaded = load_models(group, "cpu")
    here = load_models(sources(adapted_stages), "cpu")
    names = list(adapted_stages)
    assert answers(loaded.model, loaded.tokenizer, loaded.adapters, names) == answers(
        here.model, here.tokenizer, here.adapters, names
    )
    alone = load_models(sources({names[0]: there[names[0]]}), "cpu")
    assert alone.served_models[names[0]].stop_ids == here.served_models[names[0]].stop_ids
