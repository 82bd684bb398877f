"""Measures how long decoding stalls while a prompt with an image is computed."""

import time

import torch
from serving.inputs import Prompts, build_model, build_scheduler
from serving.settings import ServeBench

from palo.benchmark import Figure, spread
from palo.inference.scheduler import Scheduler

_ALLOWED = 1.0
_DECODE_STEPS = 3


def measure_stalls(settings: ServeBench) -> Figure:
    """Compares the longest step with two steps of decoding and one chunk of a prompt."""
    torch.set_num_threads(settings.threads)
    model = build_model(settings)
    prompts = Prompts(settings, model, torch.Generator().manual_seed(settings.seed))
    scheduler = build_scheduler(settings, model)
    shares = [_share(prompts, scheduler) for _ in range(settings.repeats + 1)][1:]
    return spread("longest_stall_share", shares, "1", target=_ALLOWED, better="lower")


def _share(prompts: Prompts, scheduler: Scheduler) -> float:
    chunk_s = max(_prefill_seconds(prompts, scheduler))
    stream = scheduler.prepare(prompts.make("short"))
    scheduler.add(stream)
    scheduler.step()
    decode_s = max(_step_seconds(scheduler) for _ in range(_DECODE_STEPS))
    longest_s = max(_prefill_seconds(prompts, scheduler))
    scheduler.cancel(stream.number)
    return longest_s / (2 * decode_s + chunk_s)


def _prefill_seconds(prompts: Prompts, scheduler: Scheduler) -> list[float]:
    """Computes one prompt with an image; returns the seconds of each step."""
    sequence = scheduler.prepare(prompts.make("image"))
    scheduler.add(sequence)
    seconds = []
    while not sequence.is_decoding:
        seconds.append(_step_seconds(scheduler))
    scheduler.cancel(sequence.number)
    return seconds


def _step_seconds(scheduler: Scheduler) -> float:
    started = time.perf_counter()
    scheduler.step()
    return time.perf_counter() - started
