"""The web application of the endpoint: its routes and middleware."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from palo.api_errors import APIError, APIErrorCode
from palo.observability.boundary import Boundary
from palo.security.access import LoopbackOnly
from palo.security.http_limits import BodyBounds, BodyLimit, HeadLimit
from palo.serve.chat_handler import ChatHandler
from palo.serve.protocol.bodies import model_body, models_body


@dataclass(frozen=True, kw_only=True, slots=True)
class IngressSettings:
    """Settings of the middleware.

    Attributes:
        bodies: Bounds of request bodies.
        behind_proxy: See `Boundary`.
        page_path: Path that `/` redirects to; None for an endpoint without a chat page.
    """

    bodies: BodyBounds = field(default_factory=BodyBounds)
    behind_proxy: bool = False
    page_path: str | None = None


def build_app(handler: ChatHandler, settings: IngressSettings) -> FastAPI:
    """Builds the web application.

    Args:
        handler: Handler of chat completions.
        settings: Settings of the middleware.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    started = int(time.time())

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await handler.chat(request, request.state.request_id)

    @app.get("/v1/models")
    async def models(request: Request) -> Response:
        handler.require_key(request)
        return _json(models_body(handler.models, started))

    @app.get("/v1/models/{name:path}")
    async def model(request: Request, name: str) -> Response:
        handler.require_key(request)
        if name not in handler.models:
            raise APIError(
                "there is no such model here", param="model", code=APIErrorCode.MODEL_NOT_FOUND
            )
        return _json(model_body(name, started))

    @app.get("/healthz")
    async def health() -> Response:
        return _json({"status": "ok"})

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        handler.require_key(request)
        text, media_type = handler.metrics.exposition()
        return Response(text, media_type=media_type)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        fact = "there is no such path or method here"
        body = APIError(fact, code=APIErrorCode.INVALID_REQUEST).body(request.state.request_id)
        return _json(body, error.status_code)

    if (page_path := settings.page_path) is not None:

        @app.get("/")
        async def page() -> Response:
            return RedirectResponse(page_path)

    # The last middleware is the outermost.
    app.add_middleware(BodyLimit, bounds=settings.bodies, paths=("/v1/",))
    if not handler.requires_keys:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(HeadLimit)
    app.add_middleware(Boundary, behind_proxy=settings.behind_proxy)
    return app


def _json(values: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(values), status, media_type="application/json")
