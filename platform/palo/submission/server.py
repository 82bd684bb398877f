"""A cluster's job server: found, waited for, asked for the right token and the same Ray."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from palo.errors import ConfigError, DataError, MismatchError, ResourceError
from palo.progress import duration

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

ADDRESS = "RAY_API_SERVER_ADDRESS"
"""Environment variable that names the address of a job server."""
USUAL_ADDRESS = "http://127.0.0.1:8265"
"""Where `ray dashboard CLUSTER.yaml` makes a cluster's job server answer."""
T = TypeVar("T")
_MODE, _TOKEN, _TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_USUAL_TOKEN = "~/.ray/auth_token"  # noqa: S105 - a path
_CHATTY = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
_LOOK_EVERY_S = 2.0
_NO_AGENT = "No available agent"
_START_S = 60.0
_SAY_EVERY_S = 20.0


def connect(
    address: str | None, wait_s: float, say: Callable[[str], None]
) -> "JobSubmissionClient":
    """Connects to a job server, and waits for one that doesn't answer yet.

    Args:
        address: Its http address; None for that of the environment, or where a tunnel ends.
        wait_s: How long to wait for it at most, in seconds.
        say: Gets lines about the waiting.

    Raises:
        ConfigError: If the address is none of a job server, or it refuses the token.
        MismatchError: If another version of Ray runs there.
        ResourceError: If nothing answers.
    """
    address = address or os.environ.get(ADDRESS) or USUAL_ADDRESS
    if not address.startswith(("http://", "https://")):
        raise ConfigError(
            "this is no address of a job server",
            seen=address,
            fix=f"Write the one that `ray dashboard CLUSTER.yaml` opens, such as {USUAL_ADDRESS}; "
            "6379 is another port.",
        )
    os.environ[ADDRESS] = address  # Ray takes no argument as long as it is set
    _find_token()
    began = time.monotonic()
    say_at = began
    while True:
        try:
            return _client(address)
        except ConnectionError as error:
            now = time.monotonic()
            if now - began >= wait_s:
                raise _silent(address, wait_s) from error
            if now >= say_at:
                say_at = now + _SAY_EVERY_S
                say(f"waiting for the job server at {address}, up to {duration(wait_s)}")
            time.sleep(_LOOK_EVERY_S)


def _find_token() -> None:
    """Has Ray send a token if there is one here. It reads these settings when it is imported."""
    if os.environ.get(_MODE):
        return
    path = Path(os.environ.get(_TOKEN_PATH) or os.path.expanduser(_USUAL_TOKEN))
    os.environ[_MODE] = "token" if os.environ.get(_TOKEN) or path.is_file() else "disabled"


def _client(address: str) -> "JobSubmissionClient":
    import ray
    from ray.job_submission import JobSubmissionClient

    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    with understood(address):
        client = JobSubmissionClient(address)
    there = client._server_ray_version
    if there != ray.__version__:
        raise MismatchError(
            "the cluster runs another version of Ray",
            seen=f"{there} at {address}, {ray.__version__} here",
            fix="Submit from the environment that the cluster was made from, or make both the same "
            "with `make setup` and `ray up`.",
        )
    return client


class _StartingError(ConnectionError):
    """The head has just come up: what runs jobs there hasn't yet, and nothing was done."""


@contextmanager
def understood(address: str) -> Iterator[None]:
    """Turns a job server's refusals into errors that say what to do.

    Args:
        address: Its address.

    Raises:
        ConfigError: If it refuses the token.
        ConnectionError: If it doesn't answer.
        DataError: If it doesn't know the job.
        ResourceError: If it can't do what was asked.
    """
    import requests
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError as error:
        raise _refused(address, error.message) from error
    except requests.exceptions.HTTPError as error:
        raise ConfigError(
            "what answers is no job server of Ray", seen=f"{address}: {error}", fix=_LOOK_THERE
        ) from error
    except (requests.exceptions.JSONDecodeError, KeyError) as error:
        raise ConfigError(
            "what answers is no job server of Ray", seen=address, fix=_LOOK_THERE
        ) from error
    except requests.exceptions.RequestException as error:
        raise ConnectionError(str(error)) from error
    except RuntimeError as error:
        text = " ".join(str(error).split())
        if _NO_AGENT in text:
            raise _StartingError(text[:400]) from error
        if "status code 404" in text or "returned 404" in text:
            raise DataError(
                "the job server doesn't know that",
                seen=text[:200],
                fix="`ray job list` shows its jobs; a cluster that was started again has none.",
            ) from error
        raise ResourceError(
            "the job server refuses", seen=text[:400], fix="See the head's logs in the dashboard."
        ) from error


def ask(address: str, call: Callable[[], T], patience_s: float, fix: str) -> T:
    """Asks a job server for something, again as long as it doesn't answer.

    Args:
        address: Its address.
        call: Asks it.
        patience_s: How long it may be away, in seconds.
        fix: What to do if it stays away, as a sentence.

    Raises:
        ConfigError: See `understood`.
        DataError: See `understood`.
        ResourceError: If it stays away, or refuses.
    """
    began = time.monotonic()
    while True:
        try:
            with understood(address):
                return call()
        except _StartingError as error:
            away_s = time.monotonic() - began
            if away_s >= max(patience_s, _START_S):
                raise ResourceError(
                    "the head's agent, which starts jobs, doesn't come up",
                    seen=f"{address} for {duration(away_s)}: {error}",
                    fix="Another Ray on the head may hold the agent's port: start the head with a "
                    "free --dashboard-agent-listen-port (52365 by default), and submit again.",
                ) from error
        except ConnectionError as error:
            away_s = time.monotonic() - began
            if away_s >= patience_s:
                raise ResourceError(
                    "the job server is away",
                    seen=f"{address} for {duration(away_s)}: {error}",
                    fix=fix,
                ) from error
        time.sleep(_LOOK_EVERY_S)


_LOOK_THERE = f"Check --address, {ADDRESS} and the tunnel of `ray dashboard CLUSTER.yaml`."


def _refused(address: str, told: str) -> ConfigError:
    if told.startswith("Authentication required"):
        return ConfigError(
            "the cluster asks for a token, and none was sent",
            seen=address,
            fix=f"Copy {_USUAL_TOKEN} from where `ray up` was run, or name the file in "
            f"{_TOKEN_PATH}; {_MODE} must be token or unset.",
        )
    return ConfigError(
        "the cluster refuses the token",
        seen=f"{address}, and that of {os.environ.get(_TOKEN_PATH) or _USUAL_TOKEN}"
        if not os.environ.get(_TOKEN)
        else f"{address}, and that of {_TOKEN}",
        fix="It is another cluster's: copy the file from where `ray up` was run.",
    )


def _silent(address: str, wait_s: float) -> ResourceError:
    return ResourceError(
        "no job server answers",
        seen=f"{address}, for {duration(wait_s)}",
        fix="Open the tunnel: `ray dashboard CLUSTER.yaml`. Or name another address with "
        f"--address or {ADDRESS}.",
    )
