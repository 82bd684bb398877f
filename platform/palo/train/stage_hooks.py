"""What happens around the steps of a stage: records, checkpoints, looks at the model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from palo import config
from palo.data.corpus_part import CorpusPart
from palo.data.corpus_reader import Corpus
from palo.data.plan import Plan
from palo.train.activity import Activity
from palo.train.checkpointer import Checkpointer
from palo.train.engine import TrainEngine
from palo.train.eval_callback import EvalCallback, run_eval_callback
from palo.train.faults import SkippedSteps
from palo.train.loop import Hooks
from palo.train.metrics import StepMetrics
from palo.train.model_flops import ModelFlops
from palo.train.preemption import Notices
from palo.train.rank_figures import RankFigures
from palo.train.recorder import StageRecorder
from palo.train.run_store import RunStore
from palo.train.stages import StageJob
from palo.train.validation import Validator


@contextmanager
def recording(
    store: RunStore,
    engine: TrainEngine,
    plan: Plan,
    flops: ModelFlops,
    start: int,
    held_out: CorpusPart | None,
) -> Iterator[StageRecorder | None]:
    """Gives the first worker a recorder, and closes it however the block ends.

    Args:
        store: Where the stage's outputs lie.
        engine: The worker's engine.
        plan: The plan of the steps.
        flops: What a token costs.
        start: Steps that are done.
        held_out: Held-out samples, if there are any.
    """
    if engine.rank != 0:
        yield None
        return
    counts = Counter(held_out.languages.tolist()) if held_out is not None else {}
    recorder = StageRecorder(store, engine, plan, flops, start=start, held_out=counts)
    try:
        yield recorder
    finally:
        recorder.close()


class Looks(NamedTuple):
    """What looks at the model between two steps: held-out rows, and an evaluation.

    Attributes:
        job: The stage.
        engine: The worker's engine.
        corpus: The whole corpus.
        checkpoints: Take the loss on held-out rows, too.
        recorder: Takes that loss; only the first worker has one.
        validator: Computes it, if rows are held out.
        callback: Evaluates the model, if there is one.
        num_steps: Steps of the whole stage.
    """

    job: StageJob
    engine: TrainEngine
    corpus: Corpus
    checkpoints: Checkpointer
    recorder: StageRecorder | None
    validator: Validator | None
    callback: EvalCallback | None
    num_steps: int

    def judges(self, done: int) -> bool:
        """Returns whether the loss on held-out rows is computed after a step.

        Args:
            done: Steps that are done.
        """
        return self.validator is not None and self.validator.is_due(done)

    def after(self, done: int) -> None:
        """Looks at the model, where that is due; all workers must call it together.

        Args:
            done: Steps that are done.
        """
        if self.judges(done):
            assert self.validator is not None
            validation = self.validator.run(done)
            self.checkpoints.judge(done, validation.mean_loss)
            if self.recorder is not None:
                self.recorder.validated(validation)
        if self.callback is not None and self.callback.is_due(done, self.num_steps):
            states = self.engine.gather()
            if self.engine.rank == 0:
                preprocessing = preprocessing_of(self.corpus)
                run_eval_callback(self.callback, self.job, states, preprocessing, done)


def stage_hooks(
    engine: TrainEngine, store: RunStore, looks: Looks, notice: Notices, activity: Activity
) -> Hooks:
    """Returns what happens around the steps.

    Args:
        engine: The worker's engine.
        store: Where the stage's outputs lie.
        looks: Looks at the model between two steps.
        notice: Tells whether a node will be taken away.
        activity: Notes what the worker does.
    """
    writes = engine.rank == 0
    checkpoints, recorder = looks.checkpoints, looks.recorder
    keeps_best = store.job.config.keep_best > 0
    skipped = SkippedSteps(store.note if writes else lambda kind, text: None)

    def record(metrics: StepMetrics, ranks: list[RankFigures]) -> None:
        if recorder is not None:
            recorder.step(metrics, ranks)

    def on_step(metrics: StepMetrics, ranks: list[RankFigures]) -> None:
        record(metrics, ranks)
        checkpoints.count(metrics)
        skipped.none()

    def on_skipped(
        metrics: StepMetrics, ranks: list[RankFigures], sample_ids: Sequence[str]
    ) -> None:
        record(metrics, ranks)
        checkpoints.count_skipped()
        skipped.one(metrics, sample_ids)

    def save_requested(done: int) -> bool:
        # What is kept as the best is judged: each judgement has its checkpoint.
        return checkpoints.is_due(done) or (writes and keeps_best and looks.judges(done))

    def save(done: int) -> None:
        activity.enter("checkpoint", done)
        checkpoints.save(done)

    def evaluate(done: int) -> None:
        activity.enter("evaluation", done)
        looks.after(done)

    return Hooks(
        on_step=on_step,
        on_skipped=on_skipped,
        save=save,
        evaluate=evaluate,
        stop_requested=lambda: (writes and store.stop_requested()) or notice(),
        save_requested=save_requested,
        enter=activity.enter,
    )


def preprocessing_of(corpus: Corpus) -> dict[str, Any] | None:
    """Returns what happens to an image, as JSON values; None without images.

    Args:
        corpus: The corpus.
    """
    return config.to_dict(corpus.images.spec.preprocessing) if corpus.images else None
