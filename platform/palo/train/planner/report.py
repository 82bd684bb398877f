"""A plan as lines for people and as JSON values."""

from collections.abc import Iterator
from typing import Any

from palo.config import to_dict
from palo.machine import GIB
from palo.train.planner.changes import Change
from palo.train.planner.gpus import list_prices
from palo.train.planner.memory import WorkerMemory
from palo.train.planner.run_plan import EncodePlan, RunPlan
from palo.train.planner.stage_plan import StagePlan

_WORDS = {
    "weights": "weights",
    "gathered": "gathered weights, for a time",
    "secondary": "hpZ's second copy of the weights",
    "gradients": "gradients",
    "optimizer": "optimizer: float32 weights, two moments",
    "buckets": "communication buffers",
    "context": "CUDA, cuBLAS and NCCL, assumed",
    "hiddens": "kept of all layers",
    "layer": "one layer in backward",
    "loss": "logits and loss",
    "update": "the optimizer's temporary copies",
    "host": "in main memory instead",
}


def stage_lines(plan: StagePlan, run: RunPlan) -> Iterator[str]:
    """Yields the lines of one stage.

    Args:
        plan: The stage.
        run: The run that it belongs to.
    """
    facts, stage, counts = plan.facts, plan.stage, plan.counts
    yield f"parameters      {counts.total:,}, of which {counts.trained:,} learn"
    if plan.num_steps is None or facts.num_samples is None:
        yield "steps           unknown until the corpus is built"
    else:
        split = ""
        if facts.num_records is not None and facts.num_records != facts.num_samples:
            split = f" of {facts.num_records:,} conversations"
        yield (
            f"steps           {plan.num_steps:,} of {stage.global_batch} samples "
            f"({facts.num_samples:,} samples{split})"
        )
    yield (
        f"a sample        {facts.tokens:,.0f} tokens, {facts.targets:,.0f} of them predicted; "
        f"a row of up to {plan.row.tokens:,} tokens, {plan.rows_a_step} a step"
    )
    if facts.too_long:
        yield f"too long        {facts.too_long:.0%} of the conversations are split or cut"
    yield f"samples from    {facts.source}"
    yield from _memory_lines(plan, run)
    if plan.hours is not None:
        speed = f", {plan.mfu:.0%} MFU" if plan.mfu is not None else ""
        yield f"time            {plan.hours:,.1f} h on {stage.workers.count} workers{speed}"
    if plan.compute_s is not None and plan.gather_s > plan.compute_s:
        yield (
            f"slow            gathering weights takes {plan.gather_s:.1f} s of each step, "
            f"computing {plan.compute_s:.1f} s: raise global-batch, or use fewer GPUs"
        )
    if quicker := run.quicker.get(plan.name):
        yield f"quicker         {quicker.plan.hours or 0:,.1f} h with {' '.join(quicker.flags)}"


def _memory_lines(plan: StagePlan, run: RunPlan) -> Iterator[str]:
    memory, stage = plan.memory, plan.stage
    shared = f"ZeRO-{stage.zero.level}, {stage.workers.count} workers, {stage.dtype}"
    if plan.chosen:
        yield f"chosen          {plan.chosen}"
    yield f"memory          {memory.peak / GIB:,.2f} GiB a worker at its peak ({shared})"
    idle = _not_at_peak(memory)
    for name, size in memory.parts().items():
        if size:
            mark = "  not at the same time" if name in idle else ""
            yield f"  {size / GIB:10,.2f}    {_WORDS[name]}{mark}"
    if run.gpu is None or plan.fits is None:
        return
    if plan.fits:
        yield f"fits            {run.gpu.name}, {run.gpu.memory_gib:g} GiB"
        return
    yield f"does not fit    {run.gpu.name}, {run.gpu.memory_gib:g} GiB"
    yield f"change          {_change_words(run.changes.get(plan.name))}"


def _not_at_peak(memory: WorkerMemory) -> set[str]:
    """The parts that are there at another time than the peak."""
    idle = {"host", "layer" if memory.layer < memory.loss else "loss"}
    if memory.update > memory.activations + memory.gathered:
        return idle | {"hiddens", "layer", "loss", "gathered"}
    return idle | {"update"}


def _change_words(change: Change | None) -> str:
    if change is None:
        return "nothing here makes it fit: train a smaller model, or LoRA"
    gib = f"{change.plan.memory.peak / GIB:,.1f} GiB"
    if change.gpu is not None:
        return f"--gpu {change.gpu} ({gib})"
    hours = f", {change.plan.hours:,.1f} h" if change.plan.hours is not None else ""
    return f"{' '.join(change.flags)} ({gib}{hours})"


def run_lines(run: RunPlan) -> Iterator[str]:
    """Yields the lines of a whole run: images, disk, time, money.

    Args:
        run: The plan.
    """
    if run.encode is not None:
        yield from _encode_lines(run.encode)
    for name, size in run.disk().items():
        yield f"disk            {size / 1e9:,.1f} GB  {name}"
    if run.hours is None:
        if run.gpu is None:
            yield "time            unknown: measure a few steps, and plan with --measured RUN"
        return
    yield f"speed           {run.speed_from}"
    yield f"all stages      {run.hours:,.1f} h"
    if run.gpu_hours is not None:
        cost = ""
        if run.money is not None:
            cost = f", {run.money:,.0f} dollars at {run.price:g} a GPU-hour"
        yield f"cost            {run.gpu_hours:,.0f} GPU-hours{cost}"
    if run.price is not None:
        for one in run.scaled:
            least, most = one.money(run.price)
            yield (
                f"  on {one.gpus:4} GPUs  {one.hours:6,.1f} h to {one.most_hours:6,.1f} h  "
                f"{least:6,.0f} to {most:6,.0f} dollars"
            )
        yield "                as far as gathering weights hides behind computing"
        yield from _price_lines(run)


def _price_lines(run: RunPlan) -> Iterator[str]:
    if run.gpu is None or run.price != run.gpu.price:
        yield f"price           {run.price:g} dollars a GPU-hour, as --price says"
        return
    known = list_prices()
    yield f"price           list price of {known.date}: {known.source}; --price says another"


def _encode_lines(encode: EncodePlan) -> Iterator[str]:
    where = f"{encode.gpus:g} GPUs" if encode.gpus else f"{encode.encoders} CPU processes"
    line = (
        f"images          {encode.num_images:,}, encoded once in {encode.hours:,.1f} h on {where}"
    )
    if not encode.gpus and encode.hours_on_gpus is not None and encode.store == "features":
        line += f"; the GPUs of training would take {encode.hours_on_gpus:,.1f} h"
    yield line


def plan_values(run: RunPlan) -> dict[str, Any]:
    """Returns a plan as JSON values, what follows from its parts included.

    Args:
        run: The plan.
    """
    values: dict[str, Any] = to_dict(run)
    for stage, one in zip(values["stages"], run.stages, strict=True):
        stage["memory"]["peak"] = one.memory.peak
    derived: dict[str, Any] = {"fits": run.fits, "hours": run.hours, "gpu_hours": run.gpu_hours}
    if run.gpu is not None and run.price == run.gpu.price:
        known = list_prices()
        derived |= {"price_date": known.date, "price_source": known.source}
    return {**values, **derived, "money": run.money, "disk_bytes": run.disk()}
