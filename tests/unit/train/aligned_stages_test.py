"""A stage starts from the language model of an align stage, exactly as that one left it."""

import dataclasses
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from palo import storage
from palo.checkpoint.aligned_from import stage_of
from palo.checkpoint.exporting.adapter import require_plain_adapter
from palo.checkpoint.exporting.licences import licence_of, named_model
from palo.checkpoint.finished import read_stage
from palo.checkpoint.lineage import lineage_of
from palo.checkpoint.load import attach_adapter, load_trained, unmerged_model
from palo.checkpoint.merged_language_model import merged_language_model
from palo.checkpoint.parts import weights_fingerprint
from palo.errors import ConfigError
from palo.model import attention
from palo.model.assemble import assemble
from palo.model.lora import LoraSettings
from palo.train.engine import PlainEngine
from palo.train.metrics import read_metrics
from palo.train.stage_identity import identity
from palo.train.worker import train_stage

IDS = torch.tensor([[1, 5, 9, 30, 31, 12, 40]])


@pytest.fixture
def aligned(make_job):
    """The job of a finished align stage, large enough a change to be seen."""
    job = make_job("align", epochs=3)
    train_stage(job, PlainEngine)
    return job


def started(make_job, aligned, name="finetune", **changes):
    folder = merged_language_model(read_stage(aligned.output))
    job = make_job(name, **changes)
    return dataclasses.replace(job, parts=dataclasses.replace(job.parts, language_model=folder))


def logits(model, dtype=torch.float32):
    with torch.no_grad():
        return model.to(dtype).eval()(input_ids=IDS).logits.float()


@pytest.mark.parametrize("lora", [{}, {"rslora": True}, {"dora": True}])
def test_the_merged_language_model_answers_as_its_adapter_beside_the_base(make_job, lora):
    settings = LoraSettings(rank=4, alpha=8, dropout=0.0, **lora)
    zero = dataclasses.replace(make_job().config.zero, stage=2)
    aligned = make_job("align", epochs=3, lora=settings, zero=zero)
    train_stage(aligned, PlainEngine)
    stage = read_stage(aligned.output)
    folder = merged_language_model(stage)
    wanted = logits(attach_adapter(unmerged_model(stage, torch.float32), stage.folder / "adapter"))
    found = logits(assemble(stage.parts.tower, folder))
    assert (wanted - logits(unmerged_model(stage, torch.float32))).abs().max() > 0.05
    # Worst difference measured: 1.8e-7, of logits up to 0.74.
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_in_bfloat16_merging_rounds_no_more_than_the_type_itself(aligned):
    """Both ways are compared with float32; a merged weight is rounded once, when it is loaded."""
    stage = read_stage(aligned.output)
    exact = logits(load_trained(stage.folder).model)
    folder = merged_language_model(stage)
    merged = logits(assemble(stage.parts.tower, folder, dtype=torch.bfloat16), torch.bfloat16)
    model = unmerged_model(stage, torch.bfloat16)
    beside = logits(attach_adapter(model, stage.folder / "adapter"), torch.bfloat16)
    far = (merged - exact).abs().mean(), (beside - exact).abs().mean()
    # Measured: 0.0005 merged, 0.0006 beside; both are the rounding of bfloat16 itself.
    assert far[0] < 1.5 * far[1]


def test_the_next_stage_begins_at_the_loss_that_the_align_stage_reached(make_job, aligned):
    """The projector is taken over, too, so that the first step sees the very same model."""
    job = started(make_job, aligned, epochs=1)
    job = dataclasses.replace(job, projector=aligned.output)
    train_stage(job, PlainEngine)
    first, begun = (read_metrics(one.metrics)[0].loss for one in (job, aligned))
    assert first < begun - 0.1
    # Difference measured: 0.
    assert first == pytest.approx(reached(aligned, job), abs=1e-5)


def reached(aligned, job):
    """The loss of the job's first step, computed with the align stage's adapter beside its base."""
    from palo.data.corpus_reader import open_corpus
    from palo.data.loader import PackLoader
    from palo.train.loop import token_losses
    from palo.train.stage_plan import make_plan

    stage = read_stage(aligned.output)
    model = attach_adapter(unmerged_model(stage, torch.float32), stage.folder / "adapter").eval()
    model.base_model.model.language_model.set_attn_implementation(attention.NAME)
    corpus = open_corpus(job.corpus)
    plan = make_plan(corpus, job.config, model.config.tokens_per_image)
    with PackLoader(corpus, plan, rank=0, world_size=1, start_step=0) as loader, torch.no_grad():
        batch = next(iter(loader))
        total = sum(float(token_losses(model, row).sum()) for row in batch.micro_batches)
    return total / batch.num_target_tokens


def test_merging_again_gives_the_same_run_and_another_adapter_another_one(make_job, aligned):
    job = started(make_job, aligned)
    known = identity(job)
    folder = job.parts.language_model
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    merged_language_model(read_stage(aligned.output))
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    shutil.rmtree(folder)
    assert identity(started(make_job, aligned)) == known
    assert identity(make_job())["language model"] != known["language model"]
    adapter = aligned.output / "adapter" / "adapter_model.safetensors"
    weights = load_file(adapter)
    save_file({name: 2 * tensor for name, tensor in weights.items()}, adapter)
    assert identity(started(make_job, aligned))["language model"] != known["language model"]


def test_a_merge_that_was_stopped_is_done_again(make_job, aligned):
    folder = started(make_job, aligned).parts.language_model
    whole = weights_fingerprint(folder)
    (folder / "lineage.json").unlink()
    (folder / "model.safetensors").write_bytes(b"half")
    assert weights_fingerprint(started(make_job, aligned).parts.language_model) == whole


def test_a_language_model_that_was_trained_whole_is_used_as_it_is(make_job):
    job = make_job("align", trains="full", lora=None)
    train_stage(job, PlainEngine)
    stage = read_stage(job.output)
    assert merged_language_model(stage) == job.output / "language_model"
    assert stage_of(job.output / "language_model") == job.output.resolve()


def test_the_lineage_of_a_model_leads_to_its_alignment(make_job, aligned):
    job = started(make_job, aligned)
    train_stage(job, PlainEngine)
    part = next(n for n in lineage_of(job.output).nodes() if n.name == "language model")
    (start,) = part.children
    assert (start.kind, start.state) == ("start", "checked")
    assert any(node.facts.get("stage") == "align" for node in start.nodes())
    record = storage.read_json(aligned.output / "lineage.json")
    storage.write_json(aligned.output / "lineage.json", record | {"code": "other"})
    part = next(n for n in lineage_of(job.output).nodes() if n.name == "language model")
    assert part.children[0].state == "changed"


def test_an_aligned_language_model_has_the_name_and_licence_of_its_base(
    make_job, aligned, tmp_path
):
    base = tmp_path / "base"
    shutil.copytree(aligned.parts.language_model, base)
    (base / "LICENSE").write_text("text", encoding="utf-8")
    (base / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    description = storage.read_json(aligned.output / "model.json")
    description["parts"]["language_model"] = str(base)
    storage.write_json(aligned.output / "model.json", description)
    folder = started(make_job, aligned).parts.language_model
    assert named_model(folder) == "base, aligned on parallel text"
    assert licence_of(folder).name == "mit"
    assert [path.name for path in licence_of(folder).files] == ["LICENSE"]


def test_its_adapter_alone_is_not_exported_since_nobody_has_its_base(make_job, aligned):
    job = started(make_job, aligned)
    train_stage(job, PlainEngine)
    with pytest.raises(ConfigError, match="aligned on parallel text"):
        require_plain_adapter(read_stage(job.output))
