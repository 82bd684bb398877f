"""The paths of Gradio that our pages use; all others don't exist for visitors.

Gradio serves many more: calls past the queue, a proxy, recordings, links into a session's state,
an editor of its own code.
"""

from collections.abc import Mapping

from starlette.types import Scope

JOIN = "gradio_api/queue/join"
EVENTS = "gradio_api/queue/data"
HEARTBEAT = "gradio_api/heartbeat/"
UPLOAD = "gradio_api/upload"
UPLOAD_PROGRESS = "gradio_api/upload_progress"
FILE = "gradio_api/file="
_ASSETS = ("assets/", "static/")
_READ = ("GET", "HEAD")
_METHODS: Mapping[str, tuple[str, ...]] = {
    "": _READ,
    "config": _READ,
    "theme.css": _READ,
    "favicon.ico": _READ,
    "robots.txt": _READ,
    "manifest.json": _READ,
    "gradio_api/startup-events": _READ,
    JOIN: ("POST",),
    EVENTS: ("GET",),
    UPLOAD: ("POST",),
    UPLOAD_PROGRESS: ("GET",),
}
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*_ASSETS, FILE), _READ),
    HEARTBEAT: ("GET",),
}
QUERIES: Mapping[str, tuple[str, ...]] = {
    EVENTS: ("session_hash",),
    UPLOAD: ("upload_id",),
    UPLOAD_PROGRESS: ("upload_id",),
}
"""What may stand behind a path's question mark; elsewhere it is for the browser, or for nobody."""


def path_in(scope: Scope) -> str:
    """Returns the path of a request within the page, without a slash at its beginning."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).removeprefix("/")


def with_path(scope: Scope, path: str) -> Scope:
    """Returns a request for another path within the page."""
    full = f"{scope.get('root_path', '')}/{path}"
    return {**scope, "path": full, "raw_path": full.encode()}


def is_asset(path: str) -> bool:
    """Tells whether a path is that of a file which Gradio itself consists of."""
    return path.startswith(_ASSETS)


def is_stream(path: str) -> bool:
    """Tells whether the answer under a path goes on for as long as a visitor stays."""
    return path == EVENTS or path.startswith(HEARTBEAT)


def is_used(path: str, method: str) -> bool:
    """Tells whether the page uses a path with a method."""
    for prefix, methods in _PREFIXES.items():
        if path.startswith(prefix):
            return method in methods
    return method in _METHODS.get(path, ())
