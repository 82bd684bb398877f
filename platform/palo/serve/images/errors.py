"""What a client is told about an image that isn't taken."""

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ImageError
from palo.reasons import Reason

_AS_DATA = "Send the image itself, as a data: URL."
_TOO_LARGE = (Reason.IMAGE_TOO_LARGE, Reason.IMAGE_FILE_TOO_LARGE)


def refused(error: ImageError, param: str | None) -> APIError:
    """Returns the answer for an image that can't be decoded.

    Args:
        error: What the decoder met.
        param: Field of the request that holds it.
    """
    is_large = error.fact in _TOO_LARGE
    # What a decoder says about a file may tell of this machine: only sizes are passed on.
    return APIError(
        error.fact,
        seen=error.seen if is_large else "",
        fix=error.fix,
        code=APIErrorCode.IMAGE_TOO_LARGE if is_large else APIErrorCode.IMAGE_UNREADABLE,
        param=param,
    )


def forbidden(fact: str, param: str | None, *, fix: str = _AS_DATA) -> APIError:
    """Returns the answer for an address that isn't asked for an image."""
    return APIError(fact, fix=fix, code=APIErrorCode.REMOTE_IMAGE_FORBIDDEN, param=param)


def failed(param: str | None) -> APIError:
    """Returns the answer for an image that its server doesn't give.

    It doesn't tell why: who asks for addresses must not learn what is behind them.
    """
    return APIError(
        "the server of this image doesn't give it",
        fix=f"Check the address. {_AS_DATA}",
        code=APIErrorCode.REMOTE_IMAGE_FAILED,
        param=param,
    )


def busy(what: str, retry_after_s: float) -> APIError:
    """Returns the answer while too many images wait."""
    return APIError(
        f"too many images wait {what}",
        fix=f"Try again in {retry_after_s:.0f} s.",
        code=APIErrorCode.OVERLOADED,
        retry_after_s=retry_after_s,
    )
