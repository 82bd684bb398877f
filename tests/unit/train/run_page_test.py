import dataclasses

import pytest

from palo import languages, storage
from palo.train import run_page as run_page_module
from palo.train.engine import PlainEngine
from palo.train.events import Event
from palo.train.metrics import StepMetrics
from palo.train.rank_figures import RankSummary
from palo.train.run_page import RunPage, run_page
from palo.train.run_store import RunStore
from palo.train.stage_files import StageFiles
from palo.train.stage_state import StageState, read_state
from palo.train.validation import LanguageLoss, Validation
from palo.train.watch_settings import ValidationSettings
from palo.train.worker import train_stage


def metrics(step, **changes):
    values = {
        "step": step, "num_steps": 100, "loss": 2.0 - step / 100, "grad_norm": 0.5, "lr_scale": 1.0,
        "num_samples": 8, "num_tokens": 400, "num_target_tokens": 40, "step_s": 2.0,
        "data_wait_s": 0.1, "time": 1e9, "learning_rates": {"projector": 2e-5},
        "num_workers": 2, "max_data_wait_s": 0.2, "memory_bytes": 3 << 30,
        "peak_memory_bytes": 5 << 30, "model_flops": 4e12, "mfu": 0.412,
    }  # fmt: skip
    return StepMetrics(**(values | changes))


def state(**changes):
    return StageState(**({"metrics": [metrics(step) for step in range(50)]} | changes))


def validation(step, losses):
    by_language = {
        code: LanguageLoss(loss=loss, num_target_tokens=1000, num_samples=20)
        for code, loss in losses.items()
    }
    mean = sum(losses.values()) / len(losses)
    return Validation(
        step=step, loss=mean, mean_loss=mean, languages=by_language, seconds=3.0, time=0.0
    )


def page_of(stage_state, **changes):
    return run_page("finetune", stage_state, **({"is_running": True, "where": "x"} | changes))


def test_a_page_loads_itself_again_while_the_stage_runs():
    assert '<meta http-equiv="refresh" content="15">' in page_of(state())
    assert 'http-equiv="refresh"' not in page_of(state(), is_running=False)


def test_a_page_runs_no_script_and_loads_nothing():
    text = page_of(state())
    for word in ("<script", "src=", "http:", "https:", "url("):
        assert word not in text


def test_every_language_has_its_row_and_low_resource_ones_their_mean():
    losses = {code: 1.0 + number / 10 for number, code in enumerate(languages.codes())}
    before = {code: loss + 0.5 for code, loss in losses.items()}
    text = page_of(state(validations=[validation(10, before), validation(20, losses)]))
    for code in languages.codes():
        assert languages.get(code).native_name in text
        assert f"{losses[code]:.3f} at 20" in text
    assert text.count("-0.500") == len(losses) + 4
    low = [losses[code] for code in losses if languages.get(code).resource == "low"]
    assert f"{sum(low) / len(low):.3f} at 20" in text
    assert "mean of low-resource" in text


def test_a_page_without_held_out_rows_says_how_to_have_them():
    assert "validation.rows_per_language" in page_of(state())


def test_workers_events_and_settings_are_shown_as_text():
    rank = RankSummary(
        rank=3, tokens_per_s=1234.0, data_wait_share=0.2, cpu_share=1.0, memory_bytes=1 << 30,
        peak_memory_bytes=2 << 30,
    )  # fmt: skip
    text = page_of(
        state(
            metrics=[metrics(0, slow_rank=3, slow_cause="data")],
            ranks=[rank],
            events=[Event(time=0.0, kind="retry", note="<b>lost</b>")],
            facts={"settings": {"config": {"optimizer": {"lr_projector": 2e-5}}}, "device": "cpu"},
        )
    )
    for words in (
        "1,234",
        "20.0%",
        "&lt;b&gt;lost&lt;/b&gt;",
        "optimizer.lr_projector",
        "worker 3 is slow",
    ):
        assert words in text


def test_of_many_workers_those_that_wait_longest_are_shown():
    ranks = [
        RankSummary(rank=number, tokens_per_s=1.0, data_wait_share=number / 1000, cpu_share=1.0,
                    memory_bytes=1, peak_memory_bytes=1)
        for number in range(200)
    ]  # fmt: skip
    text = page_of(state(ranks=ranks))
    assert "the 64 of 200 that wait longest" in text
    assert '<th scope="row">199</th>' in text
    assert '<th scope="row">9</th>' not in text


def test_a_run_of_an_earlier_version_has_a_page():
    old = {
        field.name: field.default
        for field in dataclasses.fields(StepMetrics)
        if field.default is not dataclasses.MISSING
    }
    steps = [metrics(0, **old), metrics(1, loss=float("nan"), **old)]
    text = page_of(state(metrics=[dataclasses.replace(m, learning_rates={}) for m in steps]))
    assert "nothing yet" in text


@pytest.fixture
def clock(monkeypatch):
    now = {"s": 100.0}
    monkeypatch.setattr(run_page_module.time, "monotonic", lambda: now["s"])
    return now


def test_the_page_is_written_now_and_then_and_at_the_end(tmp_path, clock):
    files = StageFiles(tmp_path)
    writer = RunPage("finetune", files)
    writer.update(None)
    writer.update(StageState(metrics=[]))
    assert not files.page.exists()
    writer.update(state())
    files.page.unlink()
    clock["s"] += 10.0
    writer.update(state())
    assert not files.page.exists()
    clock["s"] += 10.0
    writer.update(state())
    assert "refresh" in files.page.read_text()
    writer.finish(state())
    assert 'http-equiv="refresh"' not in files.page.read_text()


def test_a_page_that_can_not_be_written_stops_nothing(tmp_path, clock):
    (tmp_path / "file").write_text("")
    RunPage("finetune", StageFiles(tmp_path / "file")).update(state())


def test_a_trained_stage_has_a_page_of_everything(make_job):
    held_out = ValidationSettings(rows_per_language=2, most_share=0.3, every=2)
    job = make_job(validation=held_out)
    train_stage(job, PlainEngine)
    RunStore(job).note("remark", "a remark")
    RunPage(job.name, job.files).finish(read_state(job.files))
    text = storage.read_text(job.files.page)
    for words in ("Held-out loss by language", "English", "a remark", "lora.rank", "4 operations"):
        assert words in text
