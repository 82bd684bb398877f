"""How a job that asks servers ends: done, stopped by a limit, or with something left to ask."""

from collections.abc import Iterator, Mapping, Sequence

from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, IncompleteError

# Refusals of what a text says: the same words would be refused again.
OF_THE_TEXT = ("filtered", "too_long")
_BUDGET = "budget"
_LIMITS = ("max_cost", "max_calls", "max_total_tokens")
_OF_ONE_RUN = ("max-calls", "max-total-tokens")
_MOST_REASONS = 20
_SHOWN = 200


def require_complete(
    lost: Mapping[str, int], examples: Mapping[str, str], left: str, limits: Sequence[str]
) -> None:
    """Requires that nothing is left that another run would ask for.

    Args:
        lost: How many requests got no answer, by the kind of their failure.
        examples: What was seen of the first of each kind.
        left: What is left, as "12 questions".
        limits: The flags of the limits that are set, with their values.

    Raises:
        ConfigError: If the limit of money ended the job: the same command would end at once.
        IncompleteError: If something got no answer: the same command asks again.
    """
    open_kinds = {kind: count for kind, count in lost.items() if kind not in OF_THE_TEXT}
    if _BUDGET in open_kinds:
        reached = examples.get(_BUDGET, "").replace("_", "-")
        seen = ", ".join(limit for limit in limits if f".{reached} " in limit)
        fact = f"a limit ended the job, with {left} to come"
        if reached in _OF_ONE_RUN:
            fix = "Run the same command again to go on, or raise it."
            raise IncompleteError(fact, seen=seen, fix=fix)
        fix = "Raise it, and run the command again; what is paid for is kept."
        raise ConfigError(fact, seen=seen, fix=fix)
    if open_kinds:
        raise IncompleteError(
            f"{left} got no answer",
            seen="; ".join(reasons_of(open_kinds, examples)),
            fix="Run the same command again to ask for them.",
        )


def limits_of(endpoint: EndpointSettings, prefix: str) -> Iterator[str]:
    """Yields the limits of a server that are set, as flags with their values.

    Args:
        endpoint: The server.
        prefix: What its flags begin with, as "--judge.endpoint".
    """
    for name in _LIMITS:
        if (value := getattr(endpoint, name)) is not None:
            yield f"{prefix}.{name.replace('_', '-')} {value:g}"


def reasons_of(counts: Mapping[str, int], examples: Mapping[str, str]) -> list[str]:
    """Returns reasons with their counts and an example each, the most frequent first.

    Args:
        counts: By reason.
        examples: What was seen of the first of each reason.
    """
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])[:_MOST_REASONS]
    return [
        f"{count:,} {reason}" + (f" (the first: {seen[:_SHOWN]})" if seen else "")
        for reason, count in ordered
        for seen in [examples.get(reason, "").strip()]
    ]
