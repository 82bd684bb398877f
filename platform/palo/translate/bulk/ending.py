"""How a job ends: done, stopped by a limit, or with conversations left for the next run."""

from collections.abc import Iterator

from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, IncompleteError
from palo.translate.bulk.report import TranslationReport, reasons_of
from palo.translate.bulk.settings import TranslateJob

_BUDGET = "budget"


def require_complete(report: TranslationReport, job: TranslateJob) -> None:
    """Requires that nothing is left to translate.

    Args:
        report: What the job has come to.
        job: Its settings.

    Raises:
        ConfigError: If a limit ended it: the same command would end at once.
        IncompleteError: If conversations got no answer: the same command asks again.
    """
    seen = "; ".join(reasons_of(report.lost, report.lost_examples))
    if _BUDGET in report.lost:
        raise ConfigError(
            f"a limit ended the job with {report.num_missing:,} conversations to come",
            seen=", ".join(_limits(job)),
            fix="Raise it, and run the command again; what is paid for is kept.",
        )
    if report.lost:
        raise IncompleteError(
            f"{report.num_missing:,} conversations got no answer",
            seen=seen,
            fix="Run the same command again to ask for them.",
        )


def _limits(job: TranslateJob) -> Iterator[str]:
    """Yields the limits of both translators as they stand on the command line."""
    for prefix, translator in (("", job.translator), ("second.", job.second)):
        if (endpoint := translator.used().endpoint) is not None:
            yield from (f"--{prefix}endpoint.{limit}" for limit in set_limits(endpoint))


def set_limits(endpoint: EndpointSettings) -> Iterator[str]:
    """Yields the limits of a server that are set, as flags without what stands before them.

    Args:
        endpoint: The server.
    """
    for name in ("max_cost", "max_calls", "max_total_tokens"):
        if (value := getattr(endpoint, name)) is not None:
            yield f"{name.replace('_', '-')} {value:g}"
