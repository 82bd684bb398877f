import pickle

import pytest

from palo.api_errors import APIError, APIErrorCode


@pytest.mark.parametrize("code", APIErrorCode)
def test_every_code_has_a_status_and_a_type(code):
    assert 400 <= code.status < 600
    assert code.type.endswith("_error")
    assert (code.type == "invalid_request_error") <= (code.status < 500)


def test_a_refusal_becomes_a_body_of_openai():
    refusal = APIError(
        "too many wait",
        code=APIErrorCode.OVERLOADED,
        seen=7,
        fix="Wait.",
        param="model",
        retry_after_s=1.2,
    )
    assert refusal.body("r1") == {
        "error": {
            "message": "too many wait: 7. Wait.",
            "type": "overloaded_error",
            "param": "model",
            "code": "overloaded",
            "request_id": "r1",
        }
    }
    assert refusal.code.status == 503
    assert refusal.headers() == {"Retry-After": "2"}
    assert APIError("too slow", code=APIErrorCode.TIMEOUT).headers() == {}


def test_a_401_names_the_way_to_authenticate_and_a_405_the_methods():
    wrong_key = APIError("unknown", code=APIErrorCode.INVALID_API_KEY)
    assert wrong_key.headers()["WWW-Authenticate"].startswith("Bearer ")
    wrong_method = APIError("no", code=APIErrorCode.METHOD_NOT_ALLOWED, allow=("GET", "HEAD"))
    assert wrong_method.headers() == {"Allow": "GET, HEAD"}


def test_a_refusal_survives_pickling():
    refusal = APIError(
        "slow", code=APIErrorCode.RATE_LIMIT_EXCEEDED, seen="x", param="n", retry_after_s=3
    )
    copy = pickle.loads(pickle.dumps(refusal))
    assert (copy.body("r"), copy.headers()) == (refusal.body("r"), refusal.headers())
