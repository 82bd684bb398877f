"""Records one request in metrics and the log, however it ends."""

import asyncio
import time
from types import TracebackType

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import TokenUsage
from palo.observability.logs import RequestLog
from palo.observability.metrics import CANCELLED, OK, Metrics
from palo.serve.protocol.generate import GenerateRequest, ReplicaReport


class RequestRecorder:
    """Records one request; a context manager that lasts as long as the request.

    Args:
        metrics: Metrics to count it in.
        log: Log to write its line to.
    """

    def __init__(self, metrics: Metrics, log: RequestLog) -> None:
        self._metrics = metrics
        self._log = log
        self._owner: str | None = None
        self._started_s = time.monotonic()
        self._request: GenerateRequest | None = None
        self._language: str | None = None
        self._code: str | None = None
        self._answer = ""
        self._usages: list[TokenUsage] = []

    def __enter__(self) -> "RequestRecorder":
        self._metrics.start_request()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.fail(error)
        total_s = time.monotonic() - self._started_s
        request = self._request
        # Without a code the client has left before the end of a stream.
        code = self._code or CANCELLED
        model = request.model if request else None
        num_images = len(request.images) if request else 0
        self._metrics.end_request(
            model=model,
            language=self._language,
            code=code,
            total_s=total_s,
            num_images=num_images,
        )
        if self._owner is None:
            return  # without a key it is in the audit log, so that strangers can't fill this one
        self._log.write(
            question=request.conversation.turns[-1].text if request else "",
            answer=self._answer,
            model=model,
            language=self._language,
            code=code,
            total_s=round(total_s, 3),
            images=num_images,
            prompt_tokens=max((usage.prompt_tokens for usage in self._usages), default=None),
            answer_tokens=sum(usage.completion_tokens for usage in self._usages),
            key=self._owner,
        )

    def set_owner(self, owner: str) -> None:
        """Sets the owner; requests without one are counted but not logged.

        Args:
            owner: Id of the request's key.
        """
        self._owner = owner

    def set_request(self, request: GenerateRequest, language: str | None) -> None:
        """Sets the request, once it is read.

        Args:
            request: The request.
            language: ISO 639-1 code of the question's language; None if it isn't known.
        """
        self._request = request
        self._language = language

    def add_usage(self, usage: TokenUsage) -> None:
        """Adds the usage of one of its answers.

        Args:
            usage: Tokens and time of the answer.
        """
        self._usages.append(usage)
        model = self._request.model if self._request else None
        self._metrics.add_completion(model=model, language=self._language, usage=usage)

    def add_report(self, report: ReplicaReport) -> None:
        """Passes on the engine statistics of the replica that answered.

        Args:
            report: The replica's report.
        """
        self._metrics.set_engine_stats(report.model, report.replica, report.stats)

    def complete(self, text: str) -> None:
        """Records that the answer is complete.

        Args:
            text: The answer.
        """
        self._code = OK
        self._answer = text

    def fail(self, error: BaseException) -> None:
        """Records that the request failed or was cancelled.

        Args:
            error: Why.
        """
        if isinstance(error, APIError):
            self._code = error.code.value
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._code = CANCELLED
        else:
            self._code = APIErrorCode.INTERNAL.value
