"""The errors that end a job at once: every further request would be refused as this one was."""

from palo.endpoint.credentials import OPENAI_KEY
from palo.endpoint.refusals import stop_of
from palo.endpoint.replies import Failure
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError


def stop_error(
    failure: Failure, endpoint: EndpointSettings, *, has_answered: bool
) -> ConfigError | None:
    """Returns the error that ends a job after a refusal; None if the next request may be answered.

    Args:
        failure: A refusal, with what the server said.
        endpoint: The server and its model.
        has_answered: Whether it has answered before, as the one who may ask: a ban is then one
            text's, as of a firewall that reads along.
    """
    kind = None if failure.error is None else stop_of(failure.error)
    if kind is None or (kind == "access" and has_answered):
        return None
    url, model = endpoint.url, endpoint.model
    fact, fix = {
        "key": (f"{url} refuses the API key", _how_to_give_a_key(endpoint)),
        "access": (f"{url} refuses access", _how_to_give_a_key(endpoint)),
        "credit": (
            f"{url} wants money before it answers",
            "Pay there, then run the same command again.",
        ),
        "model": (
            f"{url} has no model {model}",
            "Correct the model's name, or the url, which must end in /v1.",
        ),
        "address": (
            f"{url} is not the address of a chat endpoint",
            "Correct the url; one that it names itself is followed only if you give it.",
        ),
    }[kind]
    return ConfigError(fact, seen=failure.detail, fix=fix)


def _how_to_give_a_key(endpoint: EndpointSettings) -> str:
    variable = endpoint.key_variable()
    if variable is not None:
        return f"Put the server's key into the environment variable {variable}."
    return (
        "Name the environment variable that holds this server's key (--key-env NAME); "
        f"{OPENAI_KEY} unasked goes to OpenAI and to OPENAI_BASE_URL only."
    )
