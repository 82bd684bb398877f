"""Routing by image against Ray Serve's own: two replicas, and more images than they can keep."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from resuming import say
from serving.clients import RequestOutcome, request_body
from serving.endpoint import MODEL, answered, bench_session, running, serve_settings
from serving.settings import ServeBench
from serving.stage import images, kv_bytes, mini_stage

from palo.benchmark import Figure, resampled
from palo.inference.engine import EngineSettings

_NUM_REPLICAS = 2
_NUM_SLOTS = 4
_NUM_CLIENTS = 4
_POPULAR_SHARE = 0.2
_QUESTIONS_SHARE = 0.8
_TEXT_TOKENS = 96
_FEATURE_BYTES = 384 * 4


def measure_routing(settings: ServeBench, root: Path) -> list[Figure]:
    """Asks the same questions with each way of routing, of replicas that know nothing yet.

    Args:
        settings: The bench's.
        root: The checkout.
    """
    bodies = _questions(settings)
    outcomes: dict[str, list[RequestOutcome]] = {}
    with bench_session(root):
        stage = mini_stage(
            settings.cache / "mini", settings.layers, settings.image_size, settings.seed
        )
        for way, by_image in (("by_image", True), ("rays_own", False)):
            say(f"{len(bodies)} questions, routed {way}")
            scale = {
                "min_replicas": _NUM_REPLICAS,
                "max_replicas": _NUM_REPLICAS,
                "by_image": by_image,
            }
            with running(serve_settings(stage.resolve(), _replica(settings), scale)) as url:
                outcomes[way] = answered(url, bodies, _NUM_CLIENTS)
    return list(_figures(settings, outcomes))


def _replica(settings: ServeBench) -> dict[str, Any]:
    """Returns replicas that can keep only some of the images."""
    kept = settings.image_tokens + _TEXT_TOKENS
    engine = EngineSettings(
        num_slots=_NUM_SLOTS,
        max_context=settings.image_tokens + 2 * _TEXT_TOKENS + settings.routed_tokens,
        prefill_chunk=settings.prefill_chunk,
        prefix_cache_bytes=settings.cached_images * kv_bytes(settings.layers, kept),
    )
    features = settings.cached_images * settings.image_tokens * _FEATURE_BYTES
    return {
        "engine": engine,
        "num_threads": settings.threads,
        "feature_cache_bytes": features,
    }


def _questions(settings: ServeBench) -> list[dict[str, Any]]:
    """Draws a load where few images get most of the questions, each in its own words."""
    generator = random.Random(settings.seed)  # noqa: S311 - no cryptography
    files = images(settings.routed_images, settings.seed)
    num_popular = max(1, round(_POPULAR_SHARE * len(files)))
    popular, others = files[:num_popular], files[num_popular:] or files
    bodies = []
    for number in range(settings.routed_questions):
        drawn_from = popular if generator.random() < _QUESTIONS_SHARE else others
        file = generator.choice(drawn_from)
        text = f"{generator.randrange(10**6)}: what is here? ({number})"
        bodies.append(request_body(MODEL, text, settings.routed_tokens, file))
    return bodies


def _figures(settings: ServeBench, outcomes: dict[str, list[RequestOutcome]]) -> Iterator[Figure]:
    def hit_rate(asked: Sequence[RequestOutcome]) -> float:
        return sum(each.cached_tokens >= settings.image_tokens for each in asked) / len(asked)

    def first_token_s(asked: Sequence[RequestOutcome]) -> float:
        return sum(each.first_token_s or each.total_s for each in asked) / len(asked)

    for way, asked in outcomes.items():
        yield resampled(f"routed_{way}_hit_rate", hit_rate, asked, "1")
        yield resampled(f"routed_{way}_first_token_s", first_token_s, asked, "s")
    pairs = list(zip(outcomes["by_image"], outcomes["rays_own"], strict=True))

    def gain(both: Sequence[tuple[RequestOutcome, RequestOutcome]]) -> float:
        return first_token_s([own for _, own in both]) / first_token_s([ours for ours, _ in both])

    yield resampled("routed_rays_own_to_by_image_first_token", gain, pairs, "1")
