import dataclasses
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from palo.checkpoint import trainable
from palo.checkpoint.finished import read_projector
from palo.data.corpus_reader import open_corpus
from palo.data.loader import Collator
from palo.errors import MismatchError
from palo.train.engine import PlainEngine
from palo.train.events import read_events
from palo.train.loop import token_losses
from palo.train.metrics import read_metrics
from palo.train.validation import ValidationLog, Validator, read_validations
from palo.train.watch_settings import ValidationSettings
from palo.train.worker import build_model, train_stage

HELD_OUT = ValidationSettings(rows_per_language=2, most_share=0.4, every=2)


@pytest.fixture
def job(make_job, tmp_path):
    """A stage on a corpus in two languages, some rows of which are held out."""
    made = make_job(validation=HELD_OUT)
    corpus = tmp_path / "corpus"
    shutil.copytree(made.corpus, corpus)
    path = corpus / "samples" / "000.parquet"
    table = pq.read_table(path)
    codes = pa.array(["ur" if row % 2 else "en" for row in range(len(table))])
    place = table.schema.get_field_index("language")
    pq.write_table(table.set_column(place, table.schema.field(place), codes), path)
    return dataclasses.replace(made, corpus=corpus)


def with_validation(job, name, **changes):
    settings = dataclasses.replace(job.config.validation, **changes)
    config = dataclasses.replace(job.config, validation=settings)
    return dataclasses.replace(job, config=config, output=job.output.with_name(name))


def losses(job):
    return [metrics.loss for metrics in read_metrics(job.metrics)]


def test_held_out_rows_are_evaluated_every_so_many_steps_and_at_the_end(job):
    train_stage(job, PlainEngine)
    done = read_validations(job.files.validations)
    num_steps = len(losses(job))
    assert [one.step for one in done] == sorted({*range(2, num_steps + 1, 2), num_steps})
    assert set(done[0].languages) == {"en", "ur"}
    assert all(one.num_samples >= 2 for one in done[0].languages.values())
    held_out = sum(one.num_samples for one in done[0].languages.values())
    trained = sum(metrics.num_samples for metrics in read_metrics(job.metrics))
    assert trained + held_out == len(open_corpus(job.corpus))


def test_the_loss_of_a_language_is_the_mean_over_its_tokens(job):
    corpus = open_corpus(job.corpus)
    model = build_model(job.parts, job.config, None)
    part = corpus_part(corpus)
    tokens = model.config.tokens_per_image
    found = Validator(PlainEngine(model, job.config), part, job.config, tokens, num_steps=9).run(4)
    collator = Collator(corpus.images, tokens)
    alone = {"en": [], "ur": []}
    with torch.no_grad():
        for sample in part.read(range(len(part))):
            alone[sample.language].append(token_losses(model.eval(), collator.collate([sample])))
    for code, values in alone.items():
        every = torch.cat(values).double()
        assert found.languages[code].loss == pytest.approx(float(every.mean()), rel=1e-6)
        assert found.languages[code].num_target_tokens == len(every)
    every = torch.cat(alone["en"] + alone["ur"]).double()
    assert found.loss == pytest.approx(float(every.mean()), rel=1e-6)
    means = [one.loss for one in found.languages.values()]
    assert found.mean_loss == pytest.approx(sum(means) / 2)


def corpus_part(corpus):
    from palo.data.corpus_part import split_held_out

    return split_held_out(corpus, HELD_OUT.rows_per_language, HELD_OUT.most_share)[1]


def test_evaluating_changes_nothing_that_is_learned(job):
    lora = dataclasses.replace(job.config.lora, dropout=0.3)
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, lora=lora))
    often, never = (
        with_validation(job, "often", every=1),
        with_validation(job, "never", every=10**6),
    )
    train_stage(often, PlainEngine)
    train_stage(never, PlainEngine)
    assert losses(often) == losses(never)


def test_a_resumed_stage_repeats_no_evaluation(job):
    train_stage(job, PlainEngine)
    whole = [one.loss for one in read_validations(job.files.validations)]
    newest = trainable.every(job.checkpoints)[-1]
    shutil.rmtree(newest)
    train_stage(job, PlainEngine)
    assert [one.loss for one in read_validations(job.files.validations)] == whole


def test_a_run_is_not_continued_with_other_rows(job):
    train_stage(job, PlainEngine)
    same = with_validation(job, job.output.name, every=1)
    train_stage(same, PlainEngine)
    for rows in (0, 3):
        with pytest.raises(MismatchError, match="another settings"):
            train_stage(with_validation(job, job.output.name, rows_per_language=rows), PlainEngine)


def test_by_default_nothing_is_held_out(make_job):
    job = make_job()
    train_stage(job, PlainEngine)
    assert not job.files.validations.exists()
    trained = sum(metrics.num_samples for metrics in read_metrics(job.metrics))
    assert trained == len(open_corpus(job.corpus))


def test_a_line_that_is_being_written_is_left_out(job):
    train_stage(job, PlainEngine)
    whole = read_validations(job.files.validations)
    with job.files.validations.open("a") as file:
        file.write('{"step": 9, "lo')
    assert read_validations(job.files.validations) == whole
    ValidationLog(job.files.validations, 2)
    assert [one.step for one in read_validations(job.files.validations)] == [2]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rows_per_language": -1}, "rows_per_language is -1"),
        ({"most_share": 1.0}, "most_share is 1.0"),
        ({"every": 0}, "every is 0"),
    ],
)
def test_settings_out_of_range_are_told(changes, fault):
    assert [one for one in ValidationSettings(**changes).faults() if fault in one]


def test_the_best_checkpoint_is_the_one_with_the_lowest_loss_on_held_out_rows(job, monkeypatch):
    """The last step is not the best one, and training's loss says another."""
    run = Validator.run

    def fifth_is_best(validator, done):
        return dataclasses.replace(run(validator, done), mean_loss=1.0 + abs(done - 5))

    monkeypatch.setattr(Validator, "run", fifth_is_best)
    config = dataclasses.replace(
        job.config, epochs=4, checkpoint_every=1000, keep_checkpoints=1,
        keep_best=1, result="best",
    )  # fmt: skip
    assert not list(config.faults())
    job = with_validation(dataclasses.replace(job, config=config), "best", every=1)
    train_stage(job, PlainEngine)
    done = {one.step: one.mean_loss for one in read_validations(job.files.validations)}
    lowest = min(done, key=done.__getitem__)
    assert lowest == 5 < max(done)
    (best,) = trainable.best(job.checkpoints)
    cursor = trainable.read_cursor(best)
    assert (cursor.step, cursor.held_out_loss) == (lowest, done[lowest])
    assert [path.name for path in trainable.every(job.checkpoints)] == [
        trainable.name_of(step) for step in (lowest, max(done))
    ]
    (event,) = [one for one in read_events(job.events) if one.kind == "result"]
    assert f"step {lowest}" in event.note
    kept = trainable.read_states(best)["projector.0.weight"].weight
    assert torch.equal(read_projector(job.output)["0.weight"], kept)


def test_the_best_is_a_result_only_where_rows_are_held_out(make_job):
    stage = make_job(result="best", keep_best=1).config
    assert any("result best needs" in fault for fault in stage.faults())


def test_a_stage_in_some_languages_is_judged_by_these_alone(job):
    config = dataclasses.replace(job.config, languages=("ur",))
    job = dataclasses.replace(job, config=config)
    train_stage(job, PlainEngine)
    last = read_validations(job.files.validations)[-1]
    assert set(last.languages) == {"ur"}
    assert last.mean_loss == last.languages["ur"].loss
