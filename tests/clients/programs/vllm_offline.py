"""Puts requests to vLLM on a CPU: `python vllm_offline.py FOLDER < requests.json`.

It needs vLLM alone. A request is {"text", "image"}; each answer is one line of JSON on standard
output: ids of prompt and answer, the text, and log-probabilities of the first token.
"""

import json
import os
import sys

# Small, apart from other processes, and away from the internet.
os.environ |= {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}


def main():
    """Starts vLLM, and asks what standard input says."""
    from PIL import Image
    from vllm import LLM, SamplingParams

    requests = json.load(sys.stdin)
    llm = LLM(sys.argv[1], dtype="float32", enforce_eager=True, max_model_len=512, max_num_seqs=2)
    sampling = SamplingParams(temperature=0, max_tokens=16, logprobs=5)
    for request in requests:
        content = [{"type": "text", "text": request["text"]}]
        if request.get("image"):
            image = Image.open(request["image"])
            content.insert(0, {"type": "image_pil", "image_pil": image})
        (found,) = llm.chat([{"role": "user", "content": content}], sampling, use_tqdm=False)
        answer = found.outputs[0]
        values = {
            "prompt": list(found.prompt_token_ids),
            "ids": list(answer.token_ids),
            "text": answer.text,
            "logprobs": {str(i): one.logprob for i, one in answer.logprobs[0].items()},
        }
        print("ANSWER " + json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
