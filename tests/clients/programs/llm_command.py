import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import BASE_URL, IMAGE_FILE, MODEL, QUESTION, run

home = Path(tempfile.mkdtemp(prefix="llm-"))
settings = {
    "model_id": "palo",
    "model_name": MODEL,
    "api_base": BASE_URL,
    "api_key_name": "palo",
    "vision": True,
}
(home / "extra-openai-models.yaml").write_text(json.dumps([settings]))  # JSON is YAML


def llm(*arguments, key=None):
    environ = {**os.environ, "LLM_USER_PATH": str(home)}
    command = [str(Path(sys.executable).parent / "llm"), "-m", "palo", *arguments]
    done = subprocess.run(
        [*command, "--key", key or os.environ["OPENAI_API_KEY"]],
        env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def answer(*arguments):
    code, text, problem = llm(*arguments)
    assert code == 0, problem
    return text


def wrong_key():
    code, _, problem = llm("--no-stream", QUESTION, key="sk-wrong")
    assert code != 0
    assert "API key" in problem, problem
    return problem.splitlines()[-1]


run(
    {
        "chat": lambda: answer("--no-stream", QUESTION),
        "chat, stream": lambda: answer(QUESTION),
        "chat, image": lambda: answer(QUESTION, "-a", str(IMAGE_FILE)),
        "wrong key": wrong_key,
    }
)
