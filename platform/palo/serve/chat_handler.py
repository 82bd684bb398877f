"""The handler of chat completions: authentication, limits, reading, and the response."""

from collections.abc import Collection
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
from palo.serve.protocol.dialects import Dialect, read_chat
from palo.serve.protocol.generate import GenerateRequest
from palo.serve.replica_client import ReplicaClient
from palo.serve.request_reader import ParsedRequest, RequestReader
from palo.serve.request_recorder import RequestRecorder
from palo.serve.responses import ChatResponse

_RETRY_AFTER_S = 1.0
_LOOKUPS = KeyLimits(requests_per_minute=600, tokens_per_minute=None, concurrent=None)


class ChatHandler:
    """Handles chat completions in the ingress.

    Args:
        models: Names of the models, which may change.
        replicas: Client of the replicas.
        bounds: Bounds of a request's parameters.
        access: Authentication.
        rate_limiter: Limits of each key.
        images: Reader of data URLs and remote images.
        bodies: Bounds of a request's body.
        log: Log with a line for each request.
        max_requests: Most requests at once.
        train_command: How to get a model, for whoever asks while there is none.

    Attributes:
        models: Names of the models.
        metrics: Metrics of this process.
    """

    def __init__(
        self,
        models: Collection[str],
        replicas: ReplicaClient,
        *,
        bounds: ProtocolBounds,
        access: Access,
        rate_limiter: RateLimiter,
        images: ImageReader,
        bodies: BodyBounds,
        log: RequestLog,
        max_requests: int,
        train_command: str = "",
    ) -> None:
        self.models = models
        self.metrics = Metrics(self.models)
        self._replicas = replicas
        self._access = access
        self._rate_limiter = rate_limiter
        self._lookups = RateLimiter()
        self._reader = RequestReader(
            self.models, bounds=bounds, bodies=bodies, images=images, train_command=train_command
        )
        self._log = log
        self._audit = AuditThrottle()
        self._max_requests = max_requests
        self._num_requests = 0

    @property
    def requires_keys(self) -> bool:
        """Whether requests need a key."""
        return self._access.requires_keys

    def require_key(self, request: Request) -> None:
        """Checks the key of a request for anything but a completion, with a rate limit of its own.

        Args:
            request: The request.

        Raises:
            APIError: If it has no valid key, or its key made too many such requests.
        """
        key = self._key_of(request)
        if self.requires_keys:
            self._admit(self._lookups, replace(key, limits=_LOOKUPS)).close()

    async def answer(
        self, request: Request, request_id: str, dialect: Dialect = read_chat
    ) -> Response:
        """Handles one request; see `palo.serve.protocol`.

        Args:
            request: The request.
            request_id: Its id in responses and logs.
            dialect: Reads its body in the form of its API.

        Returns:
            The whole completion, or a stream that has started.

        Raises:
            APIError: If it fails before the response has started.
        """
        with ExitStack() as stack:
            recorder = stack.enter_context(RequestRecorder(self.metrics, self._log))
            key = self._key_of(request)
            recorder.set_owner(key.id)
            lease = stack.enter_context(self._admit(self._rate_limiter, key))
            self._enter()
            stack.callback(self._leave)
            parsed = await self._reader.read(request, key.id, dialect)
            generate = self._generate_request(parsed, key, request_id)
            recorder.set_request(generate, parsed.language)
            response = ChatResponse(
                generate,
                self._replicas.events(generate),
                TokenMeter(lease, generate.num_choices),
                recorder,
                writer=parsed.writer,
                require_active=partial(self._require_active, key),
                reports_cached=self._access.reports_cached_tokens,
            )
            headers = {"x-palo-language": parsed.language or "und"}
            if parsed.body.stream:
                return await response.stream(headers, stack)
            return await response.whole(headers)

    def _generate_request(
        self, parsed: ParsedRequest, key: ApiKey, request_id: str
    ) -> GenerateRequest:
        return GenerateRequest(
            request_id=request_id,
            model=parsed.body.model,
            conversation=parsed.conversation,
            images=parsed.images,
            sampling=parsed.sampling,
            num_choices=parsed.body.n or 1,
            owner=key.id,
            salt=self._access.cache_salt(key),
        )

    def _key_of(self, request: Request) -> ApiKey:
        headers = request.headers
        try:
            return self._access.authenticate(headers.get("authorization"), headers.get("host"))
        except APIError as error:
            client = request.client.host if request.client else None
            path = request.scope["path"]
            self._audit.record("key_refused", client=client, path=path, why=error.fact)
            raise

    def _admit(self, rate_limiter: RateLimiter, key: ApiKey) -> Lease:
        try:
            return rate_limiter.admit(key)
        except APIError as error:
            self._audit.record("limit_reached", key=key.id, why=error.fact)
            raise

    def _require_active(self, key: ApiKey) -> None:
        try:
            self._access.require_active(key)
        except APIError:
            self._audit.record("answer_stopped", key=key.id)
            raise

    def _enter(self) -> None:
        if self._num_requests >= self._max_requests:
            self._audit.record("endpoint_full", requests=self._max_requests)
            raise APIError(
                "too many requests at once",
                fix=f"Try again in {_RETRY_AFTER_S:.0f} s.",
                code=APIErrorCode.OVERLOADED,
                retry_after_s=_RETRY_AFTER_S,
            )
        self._num_requests += 1

    def _leave(self) -> None:
        self._num_requests -= 1
