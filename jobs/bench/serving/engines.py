"""Our engine against vLLM and llama.cpp: one exported model, the same prompts, the same threads.

Each of the others runs in an environment of its own, in a process that answers a round of prompts
at a time; the sides take turns. Prompts are ids, so no side tokenizes.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from resuming import say
from serving.inputs import Letters
from serving.settings import ServeBench
from serving.sides import Round, by_engine
from serving.stage import engine_stage

from palo.benchmark import Figure, spread
from palo.checkpoint.exporting.export import export
from palo.checkpoint.exporting.export_settings import ExportSettings, FormatName
from palo.checkpoint.load import load_trained
from palo.errors import ResourceError
from palo.inference.engine import EngineSettings
from palo.inference.local_engine import LocalEngine
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler

if TYPE_CHECKING:
    from palo.inference.engine import InferenceEngine

PYTHONS = {"vllm": "PALO_VLLM_PYTHON", "llama_cpp": "PALO_LLAMA_CPP_PYTHON"}
"""Environment variable with the Python that has the engine, by the engine's name."""

_PROGRAMS = Path(__file__).parent / "programs"
_FORMATS: dict[str, tuple[FormatName, str]] = {
    "vllm": ("llava", ""),
    "llama_cpp": ("gguf", "model.gguf"),
}
_LOG_LINES = 20
_END_S = 20

Side = Callable[[Sequence[Sequence[int]]], Round]
Rounds = dict[tuple[str, str, int], list[Round]]
"""What was measured, by kind of prompt, side and number of clients."""


def measure_engines(settings: ServeBench) -> list[Figure]:
    """Lets several numbers of clients ask each side in turn, short prompts and long ones.

    Engines whose environment variable isn't set are left out.

    Args:
        settings: The bench's.

    Raises:
        ResourceError: If an engine ends.
    """
    torch.set_num_threads(settings.threads)
    stage = engine_stage(settings.cache / "engines", settings.layers, settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    rounds = Rounds()
    with ExitStack() as stack:
        sides: dict[str, Side] = {"engine": stack.enter_context(_ours(settings, stage))}
        for name, variable in PYTHONS.items():
            if python := os.environ.get(variable):
                sides[name] = stack.enter_context(_other(settings, stage, name, python))
            else:
                say(f"{name} is left out: {variable} names no Python that has it")
        for ask in sides.values():  # once for each slot, so that its memory is there
            ask([_prompt(settings, settings.short_tokens, generator)] * max(settings.clients))
        for repeat in range(settings.repeats):
            for kind, num_tokens in _lengths(settings).items():
                for clients in settings.clients:
                    say(f"engines, round {repeat + 1}: {clients} clients, {kind} prompts")
                    prompts = [_prompt(settings, num_tokens, generator) for _ in range(clients)]
                    for name, ask in sides.items():
                        rounds.setdefault((kind, name, clients), []).append(ask(prompts))
    return list(_figures(rounds))


def _lengths(settings: ServeBench) -> dict[str, int]:
    with_image = settings.system_tokens + settings.image_tokens + settings.question_tokens
    return {"short": settings.short_tokens, "image_length": with_image}


def _prompt(settings: ServeBench, num_tokens: int, generator: torch.Generator) -> list[int]:
    """Returns ids that share nothing with other prompts but the system text."""
    system = list(range(3, settings.system_tokens + 3))
    words = torch.randint(3, 1000, (num_tokens - len(system),), generator=generator)
    return system + words.tolist()


@contextmanager
def _ours(settings: ServeBench, stage: Path) -> Iterator[Side]:
    model = load_trained(stage).model
    sizes = EngineSettings(
        num_slots=max(settings.clients),
        max_context=settings.max_context,
        prefill_chunk=settings.prefill_chunk,
    )
    letters = Letters(model.config.text_config.vocab_size)
    scheduler = Scheduler(model, letters, sizes)  # type: ignore[arg-type]
    with LocalEngine(scheduler) as engine:
        yield lambda prompts: _asked(engine, prompts, settings.new_tokens)


def _asked(engine: "InferenceEngine", prompts: Sequence[Sequence[int]], new_tokens: int) -> Round:
    sampling = Sampling(max_tokens=new_tokens)
    return by_engine(
        engine,
        [Request(prompt_ids=list(ids), image_ids=(), features={}, sampling=sampling)
         for ids in prompts],
    )  # fmt: skip


@contextmanager
def _other(settings: ServeBench, stage: Path, name: str, python: str) -> Iterator[Side]:
    """Starts another engine on an export of the model, and ends it."""
    form, file = _FORMATS[name]
    folder = settings.cache / f"engines-{form}"
    export(
        ExportSettings(model=stage, to=form, output=folder, dtype="float32", verify=False),
        say=say,
    )
    sizes = {
        "threads": settings.threads,
        "slots": max(settings.clients),
        "context": settings.max_context,
    }
    log = settings.cache / f"{name}.log"
    command = [python, str(_PROGRAMS / f"{name}_rounds.py"), str(folder / file), json.dumps(sizes)]
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(  # noqa: S603 - a Python that the user names
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield lambda prompts: _round(process, prompts, settings.new_tokens, log)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends an engine with all its processes, which vLLM's own end may leave behind."""
    assert process.stdin
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _round(
    process: "subprocess.Popen[str]",
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    log: Path,
) -> Round:
    assert process.stdin
    assert process.stdout
    asked = {"prompts": [list(ids) for ids in prompts], "new_tokens": new_tokens}
    try:
        process.stdin.write(f"{json.dumps(asked)}\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it has ended, as the lines that are missing below say
    for line in process.stdout:
        if line.startswith("ROUND "):
            values = json.loads(line.removeprefix("ROUND "))
            return Round(values["num_tokens"], values["seconds"], list(values["first_token_s"]))
    last = log.read_text(encoding="utf-8").splitlines()[-_LOG_LINES:]
    raise ResourceError(
        f"another engine has ended, exit code {process.wait()}",
        seen=" | ".join(last),
        fix=f"See {log}.",
    )


def _figures(rounds: Rounds) -> Iterator[Figure]:
    for (kind, side, clients), runs in rounds.items():
        name = f"{kind}_prompts_{side}_{clients}_clients"
        yield spread(f"{name}_tokens_per_s", [run.rate for run in runs], "tokens/s")
        yield spread(f"{name}_first_token_s", [run.mean_first_s for run in runs], "s")
    for (kind, side, clients), runs in rounds.items():
        if side == "engine":
            continue
        pairs = zip(rounds[kind, "engine", clients], runs, strict=True)
        yield spread(
            f"{kind}_prompts_engine_to_{side}_{clients}_clients",
            [ours.rate / theirs.rate for ours, theirs in pairs],
            "1",
            target=1.0,
            better="higher",
        )
