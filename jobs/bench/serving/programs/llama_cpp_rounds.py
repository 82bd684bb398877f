"""Answers rounds of prompts with llama.cpp's server: `python llama_cpp_rounds.py FILE SETTINGS`.

It needs the xllamacpp package and nothing of ours. SETTINGS, standard input and standard output are
those of `vllm_rounds.py`.
"""

import http.client
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import xllamacpp

SETTINGS: dict[str, int] = json.loads(sys.argv[2])
_TIMEOUT_S = 1200


def start() -> Any:  # noqa: ANN401 - an untyped package
    """Starts the server with a slot for each client; everything is computed in float32."""
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_parallel = SETTINGS["slots"]
    params.n_ctx = SETTINGS["slots"] * SETTINGS["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = SETTINGS["threads"]
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    return xllamacpp.Server(params)


def answer(address: str, new_tokens: int, started: float, ids: Sequence[int]) -> tuple[int, float]:
    """Returns how many tokens an answer has, and the seconds until its first."""
    body = {
        "prompt": list(ids), "n_predict": new_tokens, "ignore_eos": True, "temperature": 0,
        "stream": True, "return_tokens": True,
    }  # fmt: skip
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/completion", json.dumps(body), headers)
    first, num_tokens = 0.0, 0
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            first = first or time.perf_counter() - started
            num_tokens = json.loads(line[6:]).get("tokens_predicted", num_tokens)
    connection.close()
    return num_tokens, first


def main() -> None:
    """Answers rounds until standard input ends."""
    server = start()
    address = server.listening_address.partition("://")[2]
    with ThreadPoolExecutor(SETTINGS["slots"]) as clients:
        for line in iter(sys.stdin.readline, ""):
            asked = json.loads(line)
            started = time.perf_counter()
            ask = partial(answer, address, asked["new_tokens"], started)
            answers = list(clients.map(ask, asked["prompts"]))
            seconds = time.perf_counter() - started
            counts, firsts = zip(*answers, strict=True)
            values = {"num_tokens": sum(counts), "seconds": seconds, "first_token_s": firsts}
            print(f"ROUND {json.dumps(values)}", flush=True)


if __name__ == "__main__":
    main()
