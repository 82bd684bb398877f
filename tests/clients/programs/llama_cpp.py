"""Puts requests to llama.cpp's server: `python llama_cpp.py MODEL MMPROJ < requests.json`.

It needs the xllamacpp package, and nothing of ours. A request is {"path", "body", "image"}; in a
body IMAGE stands for the image file as a data URL, or as base64 beside a prompt. Each answer is one
line of JSON on standard output. Everything is computed in float32 on one thread.
"""

import base64
import json
import os
import sys
import urllib.request

os.environ["LLAMA_MEDIA_MARKER"] = "<__media__>"  # else one that nobody knows beforehand

import xllamacpp

_FLOAT32 = xllamacpp.ggml_type.GGML_TYPE_F32


def _server(model, mmproj):
    params = xllamacpp.CommonParams()
    params.model.path, params.mmproj.path = model, mmproj
    params.n_ctx, params.n_parallel = 512, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = _FLOAT32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.warmup = params.cache_prompt = params.mmproj_use_gpu = False
    params.use_jinja = True
    return xllamacpp.Server(params)


def _body(request):
    text = json.dumps(request["body"])
    if image := request.get("image"):
        with open(image, "rb") as file:
            data = base64.b64encode(file.read()).decode()
        text = text.replace('"IMAGE"', f'"{data}"')
        text = text.replace('"IMAGE_URL"', f'"data:image/png;base64,{data}"')
    return text.encode()


def main():
    """Starts the server, and asks what standard input says."""
    server = _server(*sys.argv[1:])
    for request in json.load(sys.stdin):
        asked = urllib.request.Request(
            server.listening_address + request["path"],
            _body(request),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=120) as answer:
            print(json.dumps(json.load(answer)), flush=True)


if __name__ == "__main__":
    main()
