"""Asks a cluster's endpoint a question as soon as it has a model, and opens its page.

python jobs/bench/rig_parts/question.py ADDRESS KEY_FILE SECONDS
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx

_LOOK_EVERY_S = 1.0
_QUESTION = "What is in the centre?"


def ask(address: str, key: str, wait_s: float) -> dict[str, Any]:
    """Asks the endpoint.

    Args:
        address: Its address.
        key: A key.
        wait_s: How long it may have no model, in seconds.

    Returns:
        The model's name, its answer, the seconds until it was there, and the page's status.
    """
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {key}"}
    own = httpx.Client(base_url=address, headers=headers, timeout=wait_s, trust_env=False)
    with own as client:
        while not (models := _models(client)):
            if time.monotonic() - began > wait_s:
                raise SystemExit(f"no model at {address} for {wait_s:g} s")
            time.sleep(_LOOK_EVERY_S)
        there_s = time.monotonic() - began
        body = {
            "model": models[0],
            "messages": [{"role": "user", "content": _QUESTION}],
            "max_tokens": 20,
        }
        reply = client.post("/v1/chat/completions", json=body).raise_for_status().json()
        page = client.get("/chat/", follow_redirects=True)
    answer = reply["choices"][0]["message"]["content"]
    return {"model": models[0], "answer": answer, "seconds": there_s, "page": page.status_code}


def _models(client: httpx.Client) -> list[str]:
    """Returns the models that answer; none while the endpoint starts."""
    try:
        reply = client.get("/v1/models")
    except httpx.TransportError:
        return []
    return [model["id"] for model in reply.json()["data"]] if reply.is_success else []


if __name__ == "__main__":
    told = ask(sys.argv[1], Path(sys.argv[2]).read_text().strip(), float(sys.argv[3]))
    print(json.dumps(told, ensure_ascii=False))
