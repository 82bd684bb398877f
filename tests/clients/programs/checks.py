"""Runs the checks of one client, and writes a line of JSON for each."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

BASE_URL = os.environ["OPENAI_BASE_URL"]
KEY = os.environ["OPENAI_API_KEY"]
MODEL = os.environ["PALO_MODEL"]
IMAGE_FILE = Path(os.environ["PALO_IMAGE"])
QUESTION = "What is in the middle of the image?"


def image_url() -> str:
    """Returns the image as a data: URL."""
    return "data:image/png;base64," + base64.b64encode(IMAGE_FILE.read_bytes()).decode()


def with_image() -> list[dict]:
    """Returns a question with an image, as chat messages."""
    image = {"type": "image_url", "image_url": {"url": image_url()}}
    return [{"role": "user", "content": [{"type": "text", "text": QUESTION}, image]}]


def raises(kind: type[Exception], ask: Callable[[], object], told: str = "") -> str:
    """Returns the name of the error that a call must raise."""
    try:
        answer = ask()
    except kind as error:
        found = f"{error} {getattr(error, 'code', '')}"
        assert told in found, f"{told!r} isn't in {found}"
        return type(error).__name__
    raise AssertionError(f"no error but {answer}")


def run(checks: dict[str, Callable[[], object]]) -> None:
    """Runs checks; each returns what the client has made of the answer."""
    for name, check in checks.items():
        try:
            seen = check()
            assert seen, "nothing came back"
            line = {"check": name, "seen": str(seen)[:60]}
        except Exception as error:
            line = {"check": name, "fault": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(line), flush=True)
