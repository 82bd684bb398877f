"""What Ray Serve costs: questions to the bare engine, and like ones through the endpoint."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import psutil
import torch
from resuming import say
from serving.clients import request_body
from serving.endpoint import MODEL, answered, bench_session, running, serve_settings
from serving.settings import ServeBench
from serving.sides import Round
from serving.stage import mini_stage

from palo.benchmark import Figure, spread
from palo.inference.engine import EngineSettings
from palo.inference.local_engine import LocalEngine
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.serve.loading import LoadedModels, load_models
from palo.serve.settings import ModelSource
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn

_PROMPT_TOKENS = 256
Rounds = dict[tuple[str, int], list[Round]]


def measure_overhead(settings: ServeBench, root: Path) -> list[Figure]:
    """Lets one client, and then several, ask both sides in turn.

    Args:
        settings: The bench's.
        root: The checkout.
    """
    torch.set_num_threads(settings.threads)
    stage = mini_stage(settings.cache / "mini", settings.layers, settings.image_size, settings.seed)
    sizes = EngineSettings(
        num_slots=settings.compared_clients,
        # An image has room, too: a replica warms up with one.
        max_context=settings.image_tokens + _PROMPT_TOKENS + settings.new_tokens,
        prefill_chunk=settings.prefill_chunk,
    )
    loaded = load_models([ModelSource(name=MODEL, folder=stage.resolve())])
    served = serve_settings(stage.resolve(), {"engine": sizes, "num_threads": settings.threads}, {})
    numbers, rounds = count(), Rounds()
    processor_s: dict[tuple[str, int], list[float]] = {}
    with (
        bench_session(root),
        running(served) as url,
        LocalEngine(Scheduler(loaded.model, loaded.tokenizer, sizes)) as engine,
    ):
        for repeat in range(-1, settings.repeats):  # the first one warms up
            say(f"bare engine and endpoint, round {repeat + 1}")
            for clients in dict.fromkeys((1, settings.compared_clients)):
                begun_s = _processor_s()
                words = _words(numbers, settings.served_requests)
                bare = _bare(engine, loaded, words, clients, settings.new_tokens)
                between_s = _processor_s()
                words = _words(numbers, settings.served_requests)
                through = _served(url, words, clients, settings.new_tokens)
                ended_s = _processor_s()
                if repeat >= 0:
                    rounds.setdefault(("bare", clients), []).append(bare)
                    rounds.setdefault(("served", clients), []).append(through)
                    processor_s.setdefault(("bare", clients), []).append(between_s - begun_s)
                    processor_s.setdefault(("served", clients), []).append(ended_s - between_s)
    return [*_figures(settings, rounds), *_costs(settings, processor_s)]


def _processor_s() -> float:
    """Returns the processor time of this process, of Ray, and of all that it runs."""
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _costs(
    settings: ServeBench, processor_s: Mapping[tuple[str, int], Sequence[float]]
) -> Iterator[Figure]:
    """Yields the processor time of a request, which other work on the machine hardly changes."""
    for (side, clients), runs in processor_s.items():
        each = [seconds / settings.served_requests for seconds in runs]
        yield spread(f"{side}_{clients}_clients_processor_s", each, "s")


def _words(numbers: Iterator[int], how_many: int) -> list[str]:
    """Returns questions that nobody has asked before."""
    return [f"What is number {next(numbers)}?" for _ in range(how_many)]


def _figures(settings: ServeBench, rounds: Rounds) -> Iterator[Figure]:
    for (side, clients), runs in rounds.items():
        name = f"{side}_{clients}_clients"
        requests = [settings.served_requests / run.seconds for run in runs]
        yield spread(f"{name}_requests_per_s", requests, "requests/s")
        yield spread(f"{name}_first_token_s", [run.mean_first_s for run in runs], "s")
        yield spread(f"{name}_first_token_p95_s", [run.p95_first_s for run in runs], "s")
    for clients in dict.fromkeys(clients for _, clients in rounds):
        pairs = list(zip(rounds["served", clients], rounds["bare", clients], strict=True))
        shares = [bare.seconds / served.seconds for served, bare in pairs]
        yield spread(f"served_to_bare_{clients}_clients_requests", shares, "1")
        added = [served.mean_first_s - bare.mean_first_s for served, bare in pairs]
        yield spread(f"served_added_first_token_{clients}_clients_s", added, "s")


def _bare(
    engine: LocalEngine, loaded: LoadedModels, words: Sequence[str], clients: int, new_tokens: int
) -> Round:
    """Asks the engine itself, each client its next question after its answer."""
    voice = loaded.served_models[MODEL]
    waiting = iter(words)
    first_token_s: list[float] = []
    num_tokens = 0

    async def ask() -> None:
        nonlocal num_tokens
        for text in waiting:
            started = time.perf_counter()
            conversation = Conversation((Turn("user", text),))
            request = Request(
                prompt_ids=encode_prompt(conversation, voice.template, loaded.tokenizer),
                # As those have that clients of the endpoint ask with, so that they see each token.
                sampling=Sampling(max_tokens=new_tokens, stop_ids=voice.stop_ids, num_logprobs=0),
            )
            is_first = True
            async for output in engine.stream(request):
                if output.tokens and is_first:
                    first_token_s.append(time.perf_counter() - started)
                    is_first = False
                num_tokens += len(output.tokens)

    async def ask_all() -> None:
        await asyncio.gather(*(ask() for _ in range(clients)))

    started = time.perf_counter()
    asyncio.run(ask_all())
    return Round(num_tokens, time.perf_counter() - started, first_token_s)


def _served(url: str, words: Sequence[str], clients: int, new_tokens: int) -> Round:
    started = time.perf_counter()
    outcomes = answered(url, [request_body(MODEL, text, new_tokens) for text in words], clients)
    seconds = time.perf_counter() - started
    first_token_s = [each.first_token_s for each in outcomes if each.first_token_s is not None]
    return Round(sum(each.num_tokens for each in outcomes), seconds, first_token_s)
