"""The web application of the endpoint: its routes and middleware."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from palo.api_errors import APIError, APIErrorCode
from palo.observability.boundary import Boundary
from palo.security.access import LoopbackOnly
from palo.security.forwarded import ProxySettings, PublicAddress
from palo.security.http_limits import BodyBounds, BodyLimit, HeadLimit, SlashlessPath
from palo.serve.chat_handler import ChatHandler
from palo.serve.protocol.bodies import model_body, models_body
from palo.serve.protocol.dialects import read_responses
from palo.serve.protocol.paths import unknown_path, wrong_method

_READ = ["GET", "HEAD"]
_MODEL_PATH = "/v1/models/{name:path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class IngressSettings:
    """Settings of the routes and the middleware.

    Attributes:
        bodies: Bounds of request bodies.
        behind_proxy: See `Boundary`.
        proxy: The reverse proxy in front of the endpoint.
        page_path: Path that `/` redirects to; None for an endpoint without a chat page.
        lineages: Ids of the models' lineages, by name of the model.
        status: Returns the body of `/v1/status`; None for an endpoint whose models are fixed.
    """

    bodies: BodyBounds = field(default_factory=BodyBounds)
    behind_proxy: bool = False
    proxy: ProxySettings = field(default_factory=ProxySettings)
    page_path: str | None = None
    lineages: Mapping[str, str] = field(default_factory=dict)
    status: Callable[[], Mapping[str, Any]] | None = None


def build_app(handler: ChatHandler, settings: IngressSettings) -> FastAPI:
    """Builds the web application.

    Args:
        handler: Handler of chat completions.
        settings: Settings of the middleware.
    """
    # Redirects would name the address behind a proxy; `SlashlessPath` makes them needless.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    _add_models(app, handler, settings.lineages)
    _add_operations(app, handler)
    if settings.status is not None:
        _add_status(app, handler, settings.status)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await handler.answer(request, request.state.request_id)

    @app.post("/v1/responses")
    async def respond(request: Request) -> Response:
        return await handler.answer(request, request.state.request_id, read_responses)

    served = {route.path for route in app.routes if isinstance(route, APIRoute)} - {_MODEL_PATH}

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        method, path = request.method, request.scope["path"]
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            raise wrong_method(method, path, tuple((error.headers or {})["Allow"].split(", ")))
        raise unknown_path(method, path, served)

    if (page_path := settings.page_path) is not None:

        @app.api_route("/", methods=_READ)
        async def page(request: Request) -> Response:
            prefix = getattr(request.state, "public_prefix", "")
            return RedirectResponse(f"{prefix}{page_path}")

    # The last middleware is the outermost.
    app.add_middleware(BodyLimit, bounds=settings.bodies, paths=("/v1/",))
    if not handler.requires_keys:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(HeadLimit)
    app.add_middleware(SlashlessPath)
    app.add_middleware(Boundary, behind_proxy=settings.behind_proxy)
    if handler.requires_keys:
        app.add_middleware(PublicAddress, settings=settings.proxy, keeps_prefix=False)
    return app


def _add_models(app: FastAPI, handler: ChatHandler, lineages: Mapping[str, str]) -> None:
    started = int(time.time())

    @app.api_route("/v1/models", methods=_READ)
    async def models(request: Request) -> Response:
        handler.require_key(request)
        return _json(models_body(handler.models, started, lineages))

    @app.api_route(_MODEL_PATH, methods=_READ)
    async def model(request: Request, name: str) -> Response:
        handler.require_key(request)
        if name not in handler.models:
            raise APIError(
                "there is no such model here", param="model", code=APIErrorCode.MODEL_NOT_FOUND
            )
        return _json(model_body(name, started, lineages.get(name)))


def _add_status(
    app: FastAPI, handler: ChatHandler, status: Callable[[], Mapping[str, Any]]
) -> None:
    @app.api_route("/v1/status", methods=_READ)
    async def models_status(request: Request) -> Response:
        handler.require_key(request)
        return _json(status())


def _add_operations(app: FastAPI, handler: ChatHandler) -> None:
    @app.api_route("/health", methods=_READ)
    @app.api_route("/healthz", methods=_READ)
    async def health() -> Response:
        return _json({"status": "ok"})

    @app.api_route("/metrics", methods=_READ)
    async def metrics(request: Request) -> Response:
        handler.require_key(request)
        text, media_type = handler.metrics.exposition()
        return Response(text, media_type=media_type)


def _json(values: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(values), status, media_type="application/json")
