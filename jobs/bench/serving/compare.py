"""The engine against generating one by one and in one batch, with several numbers of clients."""

from collections.abc import Iterator

import torch
from serving.inputs import Prompts, build_model, build_scheduler
from serving.settings import ServeBench
from serving.sides import Round, by_engine, one_by_one, static_batch

from palo.benchmark import Figure, spread
from palo.inference.local_engine import LocalEngine

_TARGETS = {"short": 3.0, "image": 2.0}
_KNOWN_IMAGE_TARGET = 5.0

Rounds = dict[tuple[str, int], list[Round]]
"""What was measured, by side and number of clients."""


def measure(settings: ServeBench) -> list[Figure]:
    """Runs all sides in turn, on prompts that nobody has seen before."""
    torch.set_num_threads(settings.threads)
    model = build_model(settings)
    prompts = Prompts(settings, model, torch.Generator().manual_seed(settings.seed))
    figures: list[Figure] = []
    with LocalEngine(build_scheduler(settings, model)) as engine:
        for kind in _TARGETS:
            _warm_up(settings, prompts, engine, kind)
            rounds: Rounds = {}
            for _ in range(settings.repeats):
                _repeat(settings, prompts, engine, kind, rounds)
            figures += _figures(settings, kind, rounds)
        figures += _known_image(settings, prompts, engine)
    return figures


def _warm_up(settings: ServeBench, prompts: Prompts, engine: LocalEngine, kind: str) -> None:
    # Every slot once, so that its memory is there.
    by_engine(engine, [prompts.make(kind) for _ in range(max(settings.clients))])
    one_by_one(prompts.model, [prompts.make(kind)])


def _repeat(
    settings: ServeBench, prompts: Prompts, engine: LocalEngine, kind: str, rounds: Rounds
) -> None:
    compared = settings.compared_clients
    for side in (one_by_one, static_batch):
        requests = [prompts.make(kind) for _ in range(compared)]
        rounds.setdefault((side.__name__, compared), []).append(side(prompts.model, requests))
    for clients in settings.clients:
        requests = [prompts.make(kind) for _ in range(clients)]
        rounds.setdefault(("engine", clients), []).append(by_engine(engine, requests))


def _figures(settings: ServeBench, kind: str, rounds: Rounds) -> Iterator[Figure]:
    compared = settings.compared_clients
    for (side, clients), runs in rounds.items():
        name = f"{kind}_{side}_{clients}_clients"
        yield spread(f"{name}_tokens_per_s", [run.rate for run in runs], "tokens/s")
        yield spread(f"{name}_first_token_s", [run.mean_first_s for run in runs], "s")
        yield spread(f"{name}_first_token_p95_s", [run.p95_first_s for run in runs], "s")
    for side, target in (("one_by_one", _TARGETS[kind]), ("static_batch", None)):
        pairs = zip(rounds["engine", compared], rounds[side, compared], strict=True)
        yield spread(
            f"{kind}_engine_to_{side}",
            [ours.rate / theirs.rate for ours, theirs in pairs],
            "1",
            target=target,
            better=None if target is None else "higher",
        )


def _known_image(settings: ServeBench, prompts: Prompts, engine: LocalEngine) -> Iterator[Figure]:
    """Asks twice about each of some images, with different words."""
    firsts, seconds = [], []
    for _ in range(settings.repeats * 2):
        first = prompts.make("image")
        firsts.append(by_engine(engine, [first]).mean_first_s)
        again = prompts.about(dict(first.features))
        seconds.append(by_engine(engine, [again]).mean_first_s)
    yield spread("new_image_first_token_s", firsts, "s")
    yield spread("known_image_first_token_s", seconds, "s")
    yield spread(
        "new_to_known_image_first_token",
        [new / known for new, known in zip(firsts, seconds, strict=True)],
        "1",
        target=_KNOWN_IMAGE_TARGET,
        better="higher",
    )
