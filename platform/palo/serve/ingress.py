"""The web application in front of the models."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from palo.serve.front import Front
from palo.serve.protocol.bodies import model_body, models_body
from palo.serve.refusal_codes import Refusal, RefusalCode

_LOG = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")

MountPage = Callable[[FastAPI], None]
"""Puts the chat page at `/` of an application, behind the paths that are there already."""


def build_app(front: Front, mount_page: MountPage | None = None) -> FastAPI:
    """Builds the web application.

    Args:
        front: Answers chat completions.
        mount_page: Adds the chat page; None for an endpoint without one.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    started = int(time.time())

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return _named(request, await front.chat(request, request_id_of(request)))

    @app.get("/v1/models")
    async def models(request: Request) -> Response:
        front.require_key(request)
        return _json(models_body(front.models, started))

    @app.get("/v1/models/{name:path}")
    async def model(request: Request, name: str) -> Response:
        front.require_key(request)
        if name not in front.models:
            raise Refusal(
                "there is no such model here", param="model", code=RefusalCode.MODEL_NOT_FOUND
            )
        return _json(model_body(name, started))

    @app.get("/healthz")
    async def health() -> Response:
        return _json({"status": "ok"})

    _answer_errors(app)
    if mount_page is not None:
        mount_page(app)
    return app


def request_id_of(request: Request) -> str:
    """Returns the name of a request: its client's own if that is one, else a fresh one.

    Ray Serve's proxy names requests that have no name yet.
    """
    if not hasattr(request.state, "request_id"):
        given = request.headers.get("x-request-id", "")
        fresh = f"req_{secrets.token_hex(12)}"
        request.state.request_id = given if _REQUEST_ID.fullmatch(given) else fresh
    name: str = request.state.request_id
    return name


def _named(request: Request, response: Response) -> Response:
    """Tells the client the name of its request; a name that came with it the proxy tells."""
    name = request_id_of(request)
    if request.headers.get("x-request-id") != name:
        response.headers["x-request-id"] = name
    return response


def _answer_errors(app: FastAPI) -> None:
    """Makes every error a body of OpenAI's, and none of them tells of this machine."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return _refused(request, refusal, refusal.code.status)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        refusal = Refusal("there is no such path or method here", code=RefusalCode.INVALID_REQUEST)
        return _refused(request, refusal, error.status_code)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        _LOG.error("request %s failed", request_id_of(request), exc_info=error)
        refusal = Refusal("the server failed", fix="Ask again.", code=RefusalCode.INTERNAL)
        return _refused(request, refusal, refusal.code.status)


def _refused(request: Request, refusal: Refusal, status: int) -> Response:
    body = refusal.body(request_id_of(request))
    return _named(request, _json(body, status, refusal.headers()))


def _json(
    values: Mapping[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(values), status, headers, media_type="application/json")
