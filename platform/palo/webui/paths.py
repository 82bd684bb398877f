"""The paths of a page: others don't exist, for visitors and strangers alike."""

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from palo.api_errors import APIError, APIErrorCode
from palo.webui.request import LOGIN, methods_of, path_in

_MAX_SEEN = 120


class KnownPaths:
    """ASGI middleware: answers for paths that a page doesn't have, and for wrong methods.

    A program that takes a page for the API gets OpenAI's body for an error, which says where the
    API is.

    Args:
        app: The page.
        has_login: Whether the page has a login; Gradio's own is nobody's.
    """

    def __init__(self, app: ASGIApp, *, has_login: bool) -> None:
        self._app = app
        self._has_login = has_login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        path, method = path_in(scope), scope["method"]
        is_missing = path.rstrip("/") == LOGIN and not self._has_login
        allow = () if is_missing else methods_of(path)
        if method in allow:
            await self._app(scope, receive, send)
            return
        seen = f"{method} {scope['path']}"[:_MAX_SEEN]
        error = APIError(
            "this is a page and has no such path",
            seen=seen,
            fix="The API's base URL is the endpoint's address with /v1 at its end.",
            code=APIErrorCode.UNKNOWN_PATH,
        )
        if allow:
            error = APIError(
                "this path doesn't take this method",
                seen=seen,
                fix=f"Use {' or '.join(allow)}.",
                code=APIErrorCode.METHOD_NOT_ALLOWED,
                allow=allow,
            )
        await error_response(error, scope)(scope, receive, send)


def error_response(error: APIError, scope: Scope) -> Response:
    """Returns the response for an error.

    Args:
        error: The error.
        scope: The request.
    """
    body = orjson.dumps(error.body(scope.get("state", {}).get("request_id")))
    return Response(body, error.code.status, error.headers(), media_type="application/json")
