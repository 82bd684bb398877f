"""What the ingress does with one request, from its bytes to its answer."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from palo.api_errors import APIError, APIErrorCode
from palo.observability.logs import RequestLog
from palo.observability.metrics import Metrics
from palo.security.access import Access
from palo.security.audit_log import AuditThrottle
from palo.security.http_limits import BodyBounds
from palo.security.keys import ApiKey, KeyLimits
from palo.security.rate_limiter import Lease, RateLimiter, TokenMeter
from palo.serve.image_reader import ImageReader
from palo.serve.protocol.chat_request import ProtocolBounds
from palo.serve.protocol.generate import GenerateRequest
from palo.serve.replica_client import ReplicaClient
from palo.serve.replies import ChatReply
from palo.serve.request_reader import RequestReader
from palo.serve.request_recorder import RequestRecorder

_RETRY_AFTER_S = 1.0
_LOOKUPS = KeyLimits(requests_per_minute=600, tokens_per_minute=None, concurrent=None)


class ChatHandler:
    """Answers chat completions.

    Args:
        models: Names of the models.
        relay: Asks the replicas.
        bounds: How much one request may ask for.
        access: Who may ask.
        allowances: How much each may.
        images: Gets images from where requests say that they are.
        bodies: How many values a body may have.
        log: Where each request leaves a line.
        max_requests: Requests that are here at once.

    Attributes:
        models: Names of the models.
        metrics: What was counted.
    """

    def __init__(
        self,
        models: Sequence[str],
        relay: ReplicaClient,
        *,
        bounds: ProtocolBounds,
        access: Access,
        allowances: RateLimiter,
        images: ImageReader,
        bodies: BodyBounds,
        log: RequestLog,
        max_requests: int,
    ) -> None:
        self.models = tuple(models)
        self.metrics = Metrics(self.models)
        self._relay = relay
        self._access = access
        self._allowances = allowances
        self._lookups = RateLimiter()
        self._intake = RequestReader(self.models, bounds=bounds, bodies=bodies, images=images)
        self._log = log
        self._audit = AuditThrottle()
        self._max_requests = max_requests
        self._num_requests = 0

    @property
    def asks_for_keys(self) -> bool:
        """Whether requests need a key."""
        return self._access.asks_for_keys

    def require_key(self, request: Request) -> None:
        """Refuses a request for a list or for counts, without a good key or beyond its rate.

        Raises:
            Refusal: If it has none, or too many were made with it.
        """
        key = self._key_of(request)
        if self.asks_for_keys:
            self._admitted(self._lookups, replace(key, limits=_LOOKUPS)).close()

    async def chat(self, request: Request, request_id: str) -> Response:
        """Answers one request; see `palo.serve.protocol`.

        Args:
            request: The request.
            request_id: Names it.

        Raises:
            Refusal: If it can't be answered and nothing was said yet.
        """
        with ExitStack() as stack:
            account = stack.enter_context(RequestRecorder(self.metrics, self._log))
            key = self._key_of(request)
            account.owned(key.id)
            visit = stack.enter_context(self._admitted(self._allowances, key))
            self._enter()
            stack.callback(self._leave)
            question = await self._intake.read(request, key.id)
            asked = question.asked
            ask = GenerateRequest(
                request_id=request_id,
                model=asked.model,
                conversation=question.conversation,
                images=question.images,
                sampling=question.sampling,
                num_choices=asked.n or 1,
                owner=key.id,
                salt=self._access.cache_salt(key),
            )
            account.asked(ask, question.language)
            reply = ChatReply(
                ask,
                self._relay.items(ask, keeps=bool(asked.stream)),
                TokenMeter(visit, ask.num_choices),
                account,
                require_good=partial(self._require_still, key),
                tells_cached=self._access.tells_cached_tokens,
            )
            told = {"x-palo-language": question.language or "und"}
            if asked.stream:
                return await reply.stream(told, stack, with_usage=asked.wants_usage_event)
            return await reply.whole(told)

    def _key_of(self, request: Request) -> ApiKey:
        headers = request.headers
        try:
            return self._access.of(headers.get("authorization"), headers.get("host"))
        except APIError as refusal:
            client = request.client.host if request.client else None
            path = request.scope["path"]
            self._audit.record("key_refused", client=client, path=path, why=refusal.fact)
            raise

    def _admitted(self, allowances: RateLimiter, key: ApiKey) -> Lease:
        try:
            return allowances.admit(key)
        except APIError as refusal:
            self._audit.record("limit_reached", key=key.id, why=refusal.fact)
            raise

    def _require_still(self, key: ApiKey) -> None:
        try:
            self._access.require_still(key)
        except APIError:
            self._audit.record("answer_stopped", key=key.id)
            raise

    def _enter(self) -> None:
        if self._num_requests >= self._max_requests:
            self._audit.record("endpoint_full", requests=self._max_requests)
            raise APIError(
                "too many requests are here at once",
                fix=f"Try again in {_RETRY_AFTER_S:.0f} s.",
                code=APIErrorCode.OVERLOADED,
                retry_after_s=_RETRY_AFTER_S,
            )
        self._num_requests += 1

    def _leave(self) -> None:
        self._num_requests -= 1
