"""Errors for paths that the API doesn't have, in words that lead to those it has."""

from collections.abc import Collection

from palo.api_errors import APIError, APIErrorCode

_BASE = "/v1"
_MAX_SEEN = 120
_CHAT = "Send the text as a message to /v1/chat/completions."
_NO_STORE = "Answers aren't kept: send the whole conversation with each request."
# OpenAI's other paths: the fact, and what to do instead.
_UNSERVED = {
    "/v1/completions": ("completions of plain text aren't served here", _CHAT),
    "/v1/embeddings": ("embeddings aren't served here", "Use a model that makes embeddings."),
    "/v1/moderations": ("moderation isn't served here", "Use a model made for it."),
    "/v1/images": (
        "images aren't drawn here, only looked at",
        "Send an image in a message to /v1/chat/completions.",
    ),
    "/v1/audio": ("speech isn't served here", _CHAT),
    "/v1/realtime": ("realtime sessions aren't served here", "Use a stream."),
    "/v1/messages": ("this is not Anthropic's API but OpenAI's", _CHAT),
    "/v1/assistants": ("assistants aren't served here", _NO_STORE),
    "/v1/threads": ("threads aren't served here", _NO_STORE),
    "/v1/conversations": ("conversations aren't stored here", _NO_STORE),
    "/v1/responses": ("responses aren't stored here", _NO_STORE),
    "/v1/chat/completions": ("completions aren't stored here", _NO_STORE),
    "/v1/files": ("files aren't stored here", "Send images as data: URLs within messages."),
    "/v1/uploads": ("files aren't stored here", "Send images as data: URLs within messages."),
    "/v1/batches": ("batches aren't served here", "Send the requests one by one."),
    "/v1/fine_tuning": ("models aren't trained here", "Train one with jobs/finetune.py."),
}


def unknown_path(method: str, path: str, served: Collection[str]) -> APIError:
    """Returns the error for a path that doesn't exist.

    Args:
        method: Method of the request.
        path: Its path, a stranger's.
        served: The paths of the API.
    """
    fact, fix = _words(path.rstrip("/"), served)
    seen = f"{method} {path}"[:_MAX_SEEN]
    return APIError(fact, seen=seen, fix=fix, code=APIErrorCode.UNKNOWN_PATH)


def _words(path: str, served: Collection[str]) -> tuple[str, str]:
    if f"{_BASE}{path}" in served or f"{_BASE}{path}" in _UNSERVED:
        return "the address lacks /v1", "The base URL of this API ends in /v1."
    if _repeats(path, served):
        return (
            "the address has a part twice",
            "The base URL of this API ends in /v1; clients add the rest.",
        )
    for known, words in _UNSERVED.items():
        if path == known or path.startswith(f"{known}/"):
            return words
    return "there is no such path here", f"There are {', '.join(sorted(served))}."


def _repeats(path: str, served: Collection[str]) -> bool:
    """Returns whether a client added a path to a base URL that has it, or its /v1, already."""
    rest = path.removeprefix(_BASE)
    if rest == path:
        return False
    if rest.startswith(_BASE):
        return True
    suffixes = [known.removeprefix(_BASE) for known in served if known.startswith(_BASE)]
    return any(path.removesuffix(suffix) in served for suffix in suffixes if suffix in rest)


def wrong_method(method: str, path: str, allow: tuple[str, ...]) -> APIError:
    """Returns the error for a method that a path doesn't take.

    Args:
        method: Method of the request.
        path: Its path.
        allow: The methods that it takes.
    """
    return APIError(
        f"this path doesn't take the method {method[:20]}",
        seen=path[:_MAX_SEEN],
        fix=f"Use {' or '.join(allow)}.",
        code=APIErrorCode.METHOD_NOT_ALLOWED,
        allow=allow,
    )
