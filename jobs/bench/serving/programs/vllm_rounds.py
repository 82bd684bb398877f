"""Answers rounds of prompts with vLLM on a CPU: `python vllm_rounds.py FOLDER SETTINGS`.

It runs in vLLM's own environment and needs nothing of ours. SETTINGS is JSON: `threads`, `slots`
and `context`. A line on standard input is a round: `prompts`, lists of ids that are asked at once,
and `new_tokens`. A line on standard output that begins with ROUND says how it went.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

SETTINGS: dict[str, int] = json.loads(sys.argv[2])
os.environ |= {
    "OMP_NUM_THREADS": str(SETTINGS["threads"]),
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "4",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
_NUMBERS = count()


async def answer(
    engine: Any,  # noqa: ANN401 - vLLM's
    ids: Sequence[int],
    new_tokens: int,
    started: float,
) -> tuple[int, float]:
    """Returns how many tokens an answer has, and the seconds until its first."""
    from vllm import SamplingParams

    sampling = SamplingParams(temperature=0, max_tokens=new_tokens, ignore_eos=True)
    prompt = {"prompt_token_ids": list(ids)}
    first, num_tokens = 0.0, 0
    async for output in engine.generate(prompt, sampling, str(next(_NUMBERS))):
        num_tokens = len(output.outputs[0].token_ids)
        if num_tokens and not first:
            first = time.perf_counter() - started
    return num_tokens, first


async def main() -> None:
    """Starts the engine, and answers rounds until standard input ends."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    engine = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=sys.argv[1],
            dtype="float32",
            max_model_len=SETTINGS["context"],
            max_num_seqs=SETTINGS["slots"],
            limit_mm_per_prompt={"image": 0},
            disable_log_stats=True,
        )
    )
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        started = time.perf_counter()
        answers = await asyncio.gather(
            *(answer(engine, ids, asked["new_tokens"], started) for ids in asked["prompts"])
        )
        seconds = time.perf_counter() - started
        counts, firsts = zip(*answers, strict=True)
        values = {"num_tokens": sum(counts), "seconds": seconds, "first_token_s": firsts}
        print(f"ROUND {json.dumps(values)}", flush=True)
    engine.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
