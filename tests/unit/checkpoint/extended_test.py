"""A language model with an extended vocabulary, through stages, exports and the engine."""

import json
from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tests.fixtures.finished import _random_matrices, write_finished_stage
from tests.unit.text.vocabulary_test import texts
from transformers import AutoTokenizer, LlamaForCausalLM

from palo import config, storage
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import ExportSettings
from palo.checkpoint.extended_language_model import extended_table, write_extended
from palo.checkpoint.finished import read_stage, write_stage
from palo.checkpoint.load import load_trained
from palo.errors import ConfigError, DataError, MismatchError, StorageError
from palo.inference.adapters import load_adapter
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.model.assemble import assemble
from palo.model.lora import LoraSettings
from palo.model.new_token_names import FIRST_NEW_ID
from palo.pipeline.vocabulary import RECORD, VocabularyJob, extend_vocabulary
from palo.text.streaming import TextStream
from palo.text.tokenizer import load_tokenizer
from palo.text.vocabulary.extend import VocabularySettings

CODES = ("hi", "bn")


def parallel_file(path):
    rows = (dict(zip(CODES, pair, strict=True)) for pair in zip(*map(texts, CODES), strict=True))
    path.write_text("".join(json.dumps({"en": "a line", **row}) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def extended_job(tmp_path_factory):
    """An extended language model of a finished stage, and how it was made."""
    folder = tmp_path_factory.mktemp("extended")
    parts = read_stage(write_finished_stage(folder, lora=LoraSettings(rank=4, alpha=8))).parts
    job = VocabularyJob(
        language_model=parts.language_model,
        tokenizer=parts.tokenizer,
        parallel=(parallel_file(folder / "lines.jsonl"),),
        vocabulary=VocabularySettings(languages=CODES, pieces_per_language=60),
        output=folder / "whole",
    )
    assert extend_vocabulary(job, lambda _: None) is not None
    return parts, job


@pytest.fixture(scope="module")
def extended_stage(extended_job, tmp_path_factory):
    """A finished stage on it whose adapter has rows of new tokens."""
    parts, job = extended_job
    folder = tmp_path_factory.mktemp("stage")
    old = read_stage(parts.language_model.parent / "stage")
    parts = replace(parts, language_model=job.output, tokenizer=job.output)
    lora = LoraSettings(rank=4, alpha=8, dropout=0.0)
    torch.manual_seed(1)
    model = assemble(parts.tower, parts.language_model)
    projector = load_file(old.folder / "projector.safetensors")
    shape = (storage.read_json(job.output / RECORD)["new_tokens"], 48)
    weights = {f"projector.{name}": tensor for name, tensor in projector.items()}
    weights |= _random_matrices(model, lora.rank)
    for table in ("model.embed_tokens", "lm_head"):
        weights[f"language_model.{table}.new_rows"] = 0.3 * torch.randn(shape)
    write_stage(
        folder / "stage", weights, parts=parts, lora=lora, template="vicuna_v1",
        preprocessing=old.preprocessing, lineage={},
    )  # fmt: skip
    return folder / "stage"


def test_new_rows_begin_as_the_mean_of_their_old_rows(extended_job):
    parts, job = extended_job
    record = storage.read_json(job.output / RECORD)
    old, new = load_tokenizer(parts.tokenizer), load_tokenizer(job.output)
    before = load_file(parts.language_model / "model.safetensors")
    after = load_file(job.output / "model.safetensors")
    first = record["first_new_id"]
    assert first == old.vocab_size
    assert new.vocab_size == first + record["new_tokens"] == record["rows"]
    for name, table in before.items():
        if name not in ("model.embed_tokens.weight", "lm_head.weight"):
            assert torch.equal(after[name], table)
            continue
        assert torch.equal(after[name][:first], table)
        word = new.token_bytes(new.vocab_size - 1).decode()
        assert not word.startswith(" ")
        found = [i for i in old.encode(word) if old.token_bytes(i) != b" "]
        torch.testing.assert_close(after[name][-1], table[found].mean(dim=0))


def test_rows_behind_the_tokenizers_ids_are_taken_first():
    table = torch.arange(12.0).reshape(6, 2)
    found = extended_table(table, 4, [[0, 2], [1]])
    assert found.tolist() == [*table[:4].tolist(), [2.0, 3.0], [2.0, 3.0]]
    assert extended_table(table, 4, [[3]]).tolist()[5] == [10.0, 11.0]
    assert len(extended_table(table, 4, [[0]] * 9)) == 13
    assert extended_table(table.bfloat16(), 4, [[0]]).dtype == torch.bfloat16


def test_texts_without_new_tokens_have_the_same_logits(extended_job):
    parts, job = extended_job
    ids = torch.tensor([load_tokenizer(job.output).encode("a red circle").tolist()])
    with torch.no_grad():
        before = assemble(parts.tower, parts.language_model)(input_ids=ids).logits
        after = assemble(parts.tower, job.output)(input_ids=ids).logits
    assert torch.equal(after[..., : before.shape[-1]], before)


def test_it_is_made_once_and_whole(extended_job, tmp_path):
    _, job = extended_job
    assert extend_vocabulary(job, lambda _: None) is None
    other = replace(job, vocabulary=replace(job.vocabulary, pieces_per_language=50))
    with pytest.raises(StorageError, match="something else"):
        extend_vocabulary(other, lambda _: None)
    broken = replace(job, parallel=(tmp_path / "none.jsonl",), output=tmp_path / "out")
    with pytest.raises((DataError, StorageError)):
        extend_vocabulary(broken, lambda _: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("image", [{}, {"image": "photos/1.png"}])
def test_conversations_are_learned_from_too(extended_job, tmp_path, image):
    _, job = extended_job
    rows = [
        {"id": str(n), "language": code, **image,
         "conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": text}]}
        for code in CODES for n, text in enumerate(texts(code))
    ]  # fmt: skip
    rows.append({"id": "without an answer", "conversations": []})
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    made = replace(
        job, parallel=(), instructions=(tmp_path / "rows.json",), output=tmp_path / "out"
    )
    lines = []
    record = extend_vocabulary(made, lines.append)
    assert record is not None
    assert any("1 rows are bad" in line for line in lines)
    assert set(record["learned_from"]) == set(CODES)
    assert record["learned_from"]["bn"]["after"] < 0.6 * record["learned_from"]["bn"]["before"]


def test_what_can_not_be_extended_is_told(extended_job, tmp_path):
    _, job = extended_job
    again = replace(job, language_model=job.output, tokenizer=None, output=tmp_path / "out")
    with pytest.raises(MismatchError, match="extended before"):
        extend_vocabulary(again, lambda _: None)
    with pytest.raises(MismatchError, match="more tokens than the language model"):
        write_extended(job.language_model, 10_000, [[1]], tmp_path / "out")
    with pytest.raises(ConfigError, match="nothing to learn from"):
        config.check(replace(job, parallel=()))


def answer(stage):
    trained = load_trained(stage)
    scheduler = Scheduler(trained.model, trained.tokenizer)
    ids = trained.tokenizer.encode("a red circle")
    request = Request(prompt_ids=ids, sampling=Sampling(max_tokens=24))
    outputs = [output for _, output in scheduler.run([request])]
    return [token.id for one in outputs for token in one.tokens], "".join(o.text for o in outputs)


def test_the_engine_answers_in_new_tokens(extended_stage):
    ids, text = answer(extended_stage)
    trained = load_trained(extended_stage)
    first = storage.read_json(trained.stage.parts.language_model / "config.json")[FIRST_NEW_ID]
    assert any(one >= first for one in ids)
    stream = TextStream(trained.tokenizer)
    assert "".join(map(stream.add, ids)) == text


@pytest.mark.parametrize("to", ["llava", "adapter"])
def test_every_export_answers_as_the_model(extended_stage, tmp_path, to):
    settings = ExportSettings(
        model=extended_stage, output=tmp_path / "out", to=to, dtype="float32", verify=True
    )
    exported = export(settings, say=lambda _: None)
    assert exported.verification is not None
    assert exported.verification.num_equal_answers == exported.verification.num_prompts


def test_transformers_reads_the_tokenizer_of_an_export_as_ours(extended_stage, tmp_path):
    settings = ExportSettings(model=extended_stage, output=tmp_path / "out", verify=False)
    export(settings, say=lambda _: None)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "out")
    ours = load_tokenizer(read_stage(extended_stage).parts.tokenizer)
    for code in (*CODES, "ur"):
        for text in texts(code)[:40]:
            assert theirs.encode(text, add_special_tokens=False) == ours.encode(text).tolist()
    assert theirs.convert_tokens_to_ids("<image>") == ours.vocab_size


def test_the_adapter_loads_on_the_plain_base_model_with_more_rows(
    extended_job, extended_stage, tmp_path
):
    settings = ExportSettings(
        model=extended_stage, output=tmp_path / "out", to="adapter", verify=False
    )
    export(settings, say=lambda _: None)
    tokenizer = load_tokenizer(tmp_path / "out")
    base = LlamaForCausalLM.from_pretrained(extended_job[0].language_model)
    base.resize_token_embeddings(tokenizer.vocab_size)
    plain = PeftModel.from_pretrained(base, tmp_path / "out").eval()
    ids = torch.tensor([tokenizer.encode(texts("hi")[3]).tolist()])
    with torch.no_grad():
        wanted = load_trained(extended_stage).model(input_ids=ids).logits
        found = plain(input_ids=ids).logits
    # Worst difference measured: 4e-6, from the order of additions in merging.
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_the_engine_refuses_new_tokens_of_an_adapter_beside_its_model(extended_stage):
    model = load_trained(extended_stage).model
    with pytest.raises(MismatchError, match="Merge it"):
        load_adapter(extended_stage, model)
