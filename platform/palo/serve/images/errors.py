"""What a client is told about a picture that isn't taken."""

from palo.api_errors import Refusal, RefusalCode
from palo.errors import ImageError
from palo.reasons import Reason

_AS_DATA = "Send the picture itself, as a data: URL."
_TOO_LARGE = (Reason.IMAGE_TOO_LARGE, Reason.IMAGE_FILE_TOO_LARGE)


def refused(error: ImageError, param: str | None) -> Refusal:
    """Returns the answer for a picture that can't be decoded.

    Args:
        error: What the decoder met.
        param: Field of the request that holds it.
    """
    is_large = error.fact in _TOO_LARGE
    # What a decoder says about a file may tell of this machine: only sizes are passed on.
    return Refusal(
        error.fact,
        seen=error.seen if is_large else "",
        fix=error.fix,
        code=RefusalCode.IMAGE_TOO_LARGE if is_large else RefusalCode.IMAGE_UNREADABLE,
        param=param,
    )


def forbidden(fact: str, param: str | None, *, fix: str = _AS_DATA) -> Refusal:
    """Returns the answer for an address that isn't asked for a picture."""
    return Refusal(fact, fix=fix, code=RefusalCode.REMOTE_IMAGE_FORBIDDEN, param=param)


def failed(param: str | None) -> Refusal:
    """Returns the answer for a picture that its server doesn't give.

    It doesn't tell why: who asks for addresses must not learn what is behind them.
    """
    return Refusal(
        "the server of this picture doesn't give it",
        fix=f"Check the address. {_AS_DATA}",
        code=RefusalCode.REMOTE_IMAGE_FAILED,
        param=param,
    )


def busy(what: str, retry_after_s: float) -> Refusal:
    """Returns the answer while too many pictures wait."""
    return Refusal(
        f"too many pictures wait {what}",
        fix=f"Try again in {retry_after_s:.0f} s.",
        code=RefusalCode.OVERLOADED,
        retry_after_s=retry_after_s,
    )
