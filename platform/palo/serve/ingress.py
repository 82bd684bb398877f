"""The web application in front of the models."""

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
class Edge:
    """What stands around the application.

    Attributes:
        bodies: How large and how slow bodies of the endpoint may be.
        behind_proxy: See `Boundary`.
        page_path: Where browsers that open `/` are sent; None for an endpoint without a page.
    """

    bodies: BodyBounds = field(default_factory=BodyBounds)
    behind_proxy: bool = False
    page_path: str | None = None


def build_app(front: ChatHandler, edge: Edge) -> FastAPI:
    """Builds the web application.

    Args:
        front: Answers requests.
        edge: What stands around it.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    started = int(time.time())

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await front.chat(request, request.state.request_id)

    @app.get("/v1/models")
    async def models(request: Request) -> Response:
        front.require_key(request)
        return _json(models_body(front.models, started))

    @app.get("/v1/models/{name:path}")
    async def model(request: Request, name: str) -> Response:
        front.require_key(request)
        if name not in front.models:
            raise APIError(
                "there is no such model here", param="model", code=APIErrorCode.MODEL_NOT_FOUND
            )
        return _json(model_body(name, started))

    @app.get("/healthz")
    async def health() -> Response:
        return _json({"status": "ok"})

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        front.require_key(request)
        text, media_type = front.metrics.exposition()
        return Response(text, media_type=media_type)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        refusal = APIError(
            "there is no such path or method here", code=APIErrorCode.INVALID_REQUEST
        )
        return _json(refusal.body(request.state.request_id), error.status_code)

    if (page_path := edge.page_path) is not None:

        @app.get("/")
        async def page() -> Response:
            return RedirectResponse(page_path)

    # The last one is the outermost.
    app.add_middleware(BodyLimit, bounds=edge.bodies, paths=("/v1/",))
    if not front.asks_for_keys:
        app.add_middleware(LoopbackOnly)
    app.add_middleware(HeadLimit)
    app.add_middleware(Boundary, behind_proxy=edge.behind_proxy)
    return app


def _json(values: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(values), status, media_type="application/json")
