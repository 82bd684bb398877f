"""Vicuna-7B's shapes on a GPU: `python jobs/bench/serving/gpu.py [--field value ...]`.

Tokens a second and time to the first token at 1, 8, 32 and 128 clients, of the built-in engine and,
where it is installed, of vLLM; short prompts, and prompts with an image. Weights are random. The
table is printed, and the result goes to the folder that is named. It has not been run on a quiet
GPU yet, so no figure of it is quoted anywhere.
"""

import dataclasses
import gc
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

# Started as a script, it finds its neighbours beside the folder that it is in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from random_model import random_model
from resuming import say
from serving.inputs import Letters, Prompts
from serving.settings import ServeBench
from serving.sides import Round, by_engine

from palo import command, config
from palo.benchmark import Conditions, Figure, publish, spread
from palo.errors import ConfigError
from palo.inference.engine import EngineSettings, InferenceEngine
from palo.inference.local_engine import LocalEngine
from palo.inference.scheduler import Scheduler
from palo.inference.vllm_engine import VllmEngine, write_language_model
from palo.machine import hardware
from palo.model import PaloForConditionalGeneration

_ROOT = Path(__file__).resolve().parents[3]
_KINDS = ("short", "image")
_PACKAGES = ("palo", "torch", "transformers")
Side = Literal["built-in", "vllm"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuBench:
    """Settings of this bench.

    Attributes:
        output: Folder of the result file.
        size: Shapes of the model.
        device: Where it is; the CPU is for trials.
        clients: How many clients ask at once, in turn.
        new_tokens: Tokens of every answer.
        repeats: Runs of each.
        prefill_chunk: Places of prompts that a step of the built-in engine computes at most.
        seed: Seed of weights, prompts and images.
    """

    output: Path = Path("bench-gpu")
    size: Literal["mini", "mobile-1.7b", "7b", "13b"] = "7b"
    device: str = "cuda"
    clients: tuple[int, ...] = (1, 8, 32, 128)
    new_tokens: int = 128
    repeats: int = 3
    prefill_chunk: int = 1024
    seed: int = 0

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if not self.clients or min(self.clients) < 1:
            yield f"clients is {self.clients}, name numbers of at least 1"
        for name in ("new_tokens", "repeats"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    settings = command.override(GpuBench(), arguments, "jobs/bench/serving/gpu.py")
    config.check(settings)
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "this bench needs a CUDA device", fix="Run it on one, or try it with --device cpu."
        )
    machine = hardware()
    sides: list[Side] = ["built-in"]
    if importlib.util.find_spec("vllm") is not None:
        sides.append("vllm")
    else:
        say("vLLM is not installed: only the built-in engine is measured")
    figures: list[Figure] = []
    for side in sides:
        figures += _measured(settings, side)
        gc.collect()
        torch.cuda.empty_cache()  # vLLM takes a share of what is free
    conditions = Conditions(
        hardware=machine,
        packages=(*_PACKAGES, *(["vllm"] if "vllm" in sides else [])),
        configuration=dataclasses.replace(settings, output=Path()),
        seeds=(settings.seed,),
        counts={"repeats": settings.repeats},
    )
    publish("serve_gpu", figures, conditions, root=_ROOT, folder=settings.output)


def _measured(settings: GpuBench, side: Side) -> list[Figure]:
    torch.manual_seed(settings.seed)
    model = _model(settings)
    sizes = _bench(settings, model)
    prompts = Prompts(sizes, model, torch.Generator().manual_seed(settings.seed))
    figures: list[Figure] = []
    with _engine(settings, side, model, sizes) as engine:
        for kind in _KINDS:
            for clients in settings.clients:
                say(f"{side}, {kind} prompts, {clients} clients")
                rounds = []
                for repeat in range(-1, settings.repeats):  # the first one warms up
                    round_ = by_engine(engine, [prompts.make(kind) for _ in range(clients)])
                    if repeat >= 0:
                        rounds.append(round_)
                name = f"{side.replace('-', '_')}_{kind}_{clients}_clients"
                figures += _figures(name, rounds)
    return figures


def _figures(name: str, rounds: list[Round]) -> Iterator[Figure]:
    yield spread(f"{name}_tokens_per_s", [each.rate for each in rounds], "tokens/s")
    yield spread(f"{name}_first_token_s", [each.mean_first_s for each in rounds], "s")
    yield spread(f"{name}_first_token_p95_s", [each.p95_first_s for each in rounds], "s")


def _model(settings: GpuBench) -> PaloForConditionalGeneration:
    model = random_model(settings.size, settings.device)
    model.eval()
    return model


def _bench(settings: GpuBench, model: PaloForConditionalGeneration) -> ServeBench:
    image_size = model.config.input_image_size
    return ServeBench(
        output=settings.output,
        image_size=image_size,
        clients=settings.clients,
        compared_clients=settings.clients[0],
        new_tokens=settings.new_tokens,
        prefill_chunk=settings.prefill_chunk,
        repeats=settings.repeats,
        seed=settings.seed,
    )


@contextmanager
def _engine(
    settings: GpuBench, side: Side, model: PaloForConditionalGeneration, bench: ServeBench
) -> Iterator[InferenceEngine]:
    sizes = EngineSettings(
        num_slots=max(settings.clients),
        max_context=bench.max_context,
        prefill_chunk=settings.prefill_chunk,
        static_decode=settings.device == "cuda",
    )
    tokenizer = Letters(model.config.text_config.vocab_size)
    if side == "built-in":
        with LocalEngine(Scheduler(model, tokenizer, sizes)) as engine:  # type: ignore[arg-type]
            yield engine
        return
    with TemporaryDirectory() as folder:
        write_language_model(model, Path(folder))
        with VllmEngine(model, tokenizer, sizes, Path(folder)) as own:  # type: ignore[arg-type]
            yield own


if __name__ == "__main__":
    command.run_job(main)
