"""What the ingress does with one request, from its bytes to its answer."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from palo.api_errors import Refusal, RefusalCode
from palo.observability.logs import RequestLog
from palo.observability.metrics import Metrics
from palo.security.access import Access
from palo.security.audit_log import AuditThrottle
from palo.security.body_limit import BodyBounds
from palo.security.keys import ApiKey, KeyLimits
from palo.security.rate_limiter import Allowances, Visit
from palo.serve.images.reader import PictureReader
from palo.serve.intake import Intake
from palo.serve.protocol.bounds import ProtocolBounds
from palo.serve.protocol.generate import Ask
from palo.serve.replica_client import Relay
from palo.serve.replies import Reply
from palo.serve.request_recorder import Account
from palo.serve.token_meter import Spending

_RETRY_AFTER_S = 1.0
_LOOKUPS = KeyLimits(requests_per_minute=600, tokens_per_minute=None, concurrent=None)


class Front:
    """Answers chat completions.

    Args:
        models: Names of the models.
        relay: Asks the replicas.
        bounds: How much one request may ask for.
        access: Who may ask.
        allowances: How much each may.
        pictures: Gets images from where requests say that they are.
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
        relay: Relay,
        *,
        bounds: ProtocolBounds,
        access: Access,
        allowances: Allowances,
        pictures: PictureReader,
        bodies: BodyBounds,
        log: RequestLog,
        max_requests: int,
    ) -> None:
        self.models = tuple(models)
        self.metrics = Metrics(self.models)
        self._relay = relay
        self._access = access
        self._allowances = allowances
        self._lookups = Allowances()
        self._intake = Intake(self.models, bounds=bounds, bodies=bodies, pictures=pictures)
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
            account = stack.enter_context(Account(self.metrics, self._log))
            key = self._key_of(request)
            account.owned(key.id)
            visit = stack.enter_context(self._admitted(self._allowances, key))
            self._enter()
            stack.callback(self._leave)
            question = await self._intake.read(request, key.id)
            asked = question.asked
            ask = Ask(
                request_id=request_id,
                model=asked.model,
                conversation=question.conversation,
                pictures=question.pictures,
                sampling=question.sampling,
                num_choices=asked.n or 1,
                owner=key.id,
                salt=self._access.cache_salt(key),
            )
            account.asked(ask, question.language)
            reply = Reply(
                ask,
                self._relay.items(ask, keeps=bool(asked.stream)),
                Spending(visit, ask.num_choices),
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
        except Refusal as refusal:
            client = request.client.host if request.client else None
            path = request.scope["path"]
            self._audit.record("key_refused", client=client, path=path, why=refusal.fact)
            raise

    def _admitted(self, allowances: Allowances, key: ApiKey) -> Visit:
        try:
            return allowances.admit(key)
        except Refusal as refusal:
            self._audit.record("limit_reached", key=key.id, why=refusal.fact)
            raise

    def _require_still(self, key: ApiKey) -> None:
        try:
            self._access.require_still(key)
        except Refusal:
            self._audit.record("answer_stopped", key=key.id)
            raise

    def _enter(self) -> None:
        if self._num_requests >= self._max_requests:
            self._audit.record("endpoint_full", requests=self._max_requests)
            raise Refusal(
                "too many requests are here at once",
                fix=f"Try again in {_RETRY_AFTER_S:.0f} s.",
                code=RefusalCode.OVERLOADED,
                retry_after_s=_RETRY_AFTER_S,
            )
        self._num_requests += 1

    def _leave(self) -> None:
        self._num_requests -= 1
