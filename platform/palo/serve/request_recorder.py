"""What is counted and logged of one request, however it ends."""

import asyncio
import time
from types import TracebackType

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import TokenUsage
from palo.observability.logs import RequestLog
from palo.observability.metrics import CANCELLED, OK, Metrics
from palo.serve.protocol.generate import GenerateRequest, ReplicaReport


class RequestRecorder:
    """Counts one request in and out.

    Args:
        metrics: Where it is counted.
        log: Where it leaves a line.
    """

    def __init__(self, metrics: Metrics, log: RequestLog) -> None:
        self._metrics = metrics
        self._log = log
        self._owner: str | None = None
        self._started_s = time.monotonic()
        self._ask: GenerateRequest | None = None
        self._language: str | None = None
        self._code: str | None = None
        self._answer = ""
        self._usages: list[TokenUsage] = []

    def __enter__(self) -> "RequestRecorder":
        self._metrics.began()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.failed(error)
        total_s = time.monotonic() - self._started_s
        ask = self._ask
        # Nobody said how it ended: its client has left before the end of a stream.
        code = self._code or CANCELLED
        model = ask.model if ask else None
        num_images = len(ask.images) if ask else 0
        self._metrics.ended(
            model=model,
            language=self._language,
            code=code,
            total_s=total_s,
            num_images=num_images,
        )
        if self._owner is None:
            return  # strangers are counted, and told by the audit log; they can't fill this one
        self._log.write(
            question=ask.conversation.turns[-1].text if ask else "",
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

    def owned(self, owner: str) -> None:
        """Notes whose request it is."""
        self._owner = owner

    def asked(self, ask: GenerateRequest, language: str | None) -> None:
        """Notes what is asked, and the language of the question."""
        self._ask = ask
        self._language = language

    def took(self, usage: TokenUsage) -> None:
        """Notes what one of its answers took."""
        self._usages.append(usage)
        self._metrics.answered(
            model=self._ask.model if self._ask else None, language=self._language, usage=usage
        )

    def reported(self, report: ReplicaReport) -> None:
        """Notes what the engine that answered has done so far."""
        self._metrics.engine(report.model, report.replica, report.stats)

    def answered(self, text: str) -> None:
        """Notes that it was answered to the end."""
        self._code = OK
        self._answer = text

    def failed(self, error: BaseException) -> None:
        """Notes why it wasn't."""
        if isinstance(error, APIError):
            self._code = error.code.value
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._code = CANCELLED
        else:
            self._code = APIErrorCode.INTERNAL.value
