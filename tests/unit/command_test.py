import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palo.command import override, parse_recipe, run_job, take_values
from palo.errors import ConfigError, DataError, IncompleteError, StorageError
from palo.model.lora import LoraSettings
from palo.recipes import RECIPES
from palo.storage import S3Path
from palo.train.stages import OptimizerSettings, StageConfig

STAGE = StageConfig(
    template="vicuna_v1",
    trains="lora",
    lora=LoraSettings(),
    optimizer=OptimizerSettings(lr_projector=1e-3, lr_language_model=1e-4),
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--global-batch", "many"], "--global-batch.*'many' is no whole number"),
        (["--global-batch", "2.5"], "--global-batch.*'2.5' is no whole number"),
        (["--global-batch", "9" * 30], "--global-batch: 9{30} has more than 64 bits"),
        (["--global-batch", "9" * 5000], "--global-batch: '9{40}' is no whole number"),
        (["--optimizer.eps", "nan"], "--optimizer.eps: 'nan' is no number"),
        (["--optimizer.eps", "-inf"], "--optimizer.eps: '-inf' is no number"),
        (["--optimizer.eps", "1e999"], "--optimizer.eps: '1e999' is no number"),
        (["--optimizer.betas", "0.9", "NaN"], "--optimizer.betas.*'NaN'"),
        (["--optimizer.lr-projector", "fast"], "--optimizer.lr-projector: 'fast' is no number"),
        (["--globl-batch", "3"], "--globl-batch.*Did you mean --global-batch"),
        (["--zero.stage", "5"], "'5' for argument '--zero.stage'"),
        (["--token-budget"], "'--token-budget'"),
    ],
)
def test_a_wrong_override_is_told_in_one_line(arguments, told):
    with pytest.raises(ConfigError, match=told) as caught:
        override(STAGE, arguments, "jobs/finetune.py nano")
    assert "\n" not in str(caught.value)


def test_overrides_reach_every_depth():
    arguments = ["--lora.rank", "3", "--workers.use-gpu", "--optimizer.betas", "0.8", "0.9"]
    changed = override(STAGE, arguments, "x")
    assert changed.lora == LoraSettings(rank=3)
    assert changed.workers.use_gpu
    assert changed.optimizer.betas == (0.8, 0.9)
    assert changed.global_batch == STAGE.global_batch


def test_paths_on_s3_reach_a_recipe():
    arguments = [
        *("mini", "--corpora", "s3://b/corpora", "--data.captions", "s3://b/a.json?region=here"),
        *("--data.questions", "s3://b/q.jsonl", "--data.questions-images", "questions"),
    ]
    recipe, _ = parse_recipe(arguments, RECIPES, "x")
    assert recipe.corpora_folder == recipe.corpora == S3Path("s3://b/corpora")
    assert recipe.data.captions == S3Path("s3://b/a.json?region=here")
    assert recipe.data.questions == S3Path("s3://b/q.jsonl")
    assert type(recipe.data.questions_images) is type(Path("questions"))
    again, _ = parse_recipe(["mini"], {"mini": lambda: recipe}, "x")
    assert again == recipe


def test_a_run_folder_may_lie_on_s3():
    recipe, _ = parse_recipe(["mini", "--output", "s3://b/runs"], RECIPES, "x")
    assert recipe.finetune_folder == S3Path("s3://b/runs/finetune")
    assert recipe.corpora_folder == S3Path("s3://b/runs/corpus")
    with pytest.raises(StorageError, match=r"not a place on S3: 's3://'\. Write s3://bucket"):
        parse_recipe(["mini", "--output", "s3://"], RECIPES, "x")


def test_an_unknown_recipe_is_told_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"'nan'\. Did you mean nano"):
        parse_recipe(["nan"], RECIPES, "jobs/finetune.py")


def test_all_faults_of_a_recipe_are_told_together():
    arguments = ["nano", "--data.language", "xx", "--finetune.global-batch", "0"]
    with pytest.raises(ConfigError, match=r"2 faults: data.language 'xx'.*finetune.global_batch"):
        parse_recipe(arguments, RECIPES, "jobs/finetune.py")


def test_a_dry_run_is_asked_for_anywhere():
    recipe, dry = parse_recipe(["7b", "--dry-run", "--finetune.seed", "5"], RECIPES, "x")
    assert dry
    assert recipe.finetune.seed == 5


def ended(main, capsys):
    with pytest.raises(SystemExit) as end:
        run_job(main)
    return end.value.code, capsys.readouterr().err


def test_an_error_of_ours_is_one_line_and_code_2(capsys):
    def main(arguments):
        raise DataError("the file is empty", seen="x.json", fix="Give another.")

    assert ended(main, capsys) == (2, "error: the file is empty: x.json. Give another.\n")


def test_what_the_same_command_goes_on_with_is_one_line_and_code_3(capsys):
    def main(arguments):
        raise IncompleteError("2 questions got no answer", seen="2 timeout", fix="Run it again.")

    line = "incomplete: 2 questions got no answer: 2 timeout. Run it again.\n"
    assert ended(main, capsys) == (3, line)


def test_a_stop_is_one_line_and_code_130(capsys):
    def main(arguments):
        raise KeyboardInterrupt

    code, told = ended(main, capsys)
    assert (code, told.count("\n")) == (130, 1)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("work", ["print('one line')", "[print('a' * 99) for _ in range(9999)]"])
def test_a_reader_that_has_left_ends_a_job_silently(work, unbuffered):
    """Regression: `| head` left a traceback, and code 1 or 120."""
    program = f"from palo.command import run_job\nrun_job(lambda arguments: {work})"
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


def test_another_pipe_that_breaks_is_a_fault():
    def main(arguments):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_job(main)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_language_can_be_printed_on_every_terminal(encoding):
    """Regression: a job that printed a Hindi record on a terminal without Unicode ended there."""
    program = (
        "import sys\nfrom palo.command import run_job\nfrom palo.errors import DataError\n"
        "def main(arguments):\n"
        "    print('لاहि')\n"
        "    raise DataError('no folder', seen='写真')\n"
        "run_job(main)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    printed, told = ended.stdout.decode(encoding), ended.stderr.decode(encoding)
    assert ended.returncode == 2, told
    if encoding == "utf-8":
        assert (printed, told) == ("لاहि\n", "error: no folder: 写真.\n")
    else:
        assert "\\u0939" in printed
        assert told == "error: no folder: \\u5199\\u771f.\n"


@pytest.mark.parametrize(
    "work",
    [
        "def work(): print('up', flush=True); time.sleep(60)",
        "def work(): asyncio.run(several())\n"
        "async def several(): await asyncio.gather(*map(asyncio.sleep, range(60, 70)), up())\n"
        "async def up(): print('up', flush=True)",
    ],
)
def test_sigterm_stops_as_ctrl_c_does(work):
    program = (
        "import asyncio, time\nfrom palo.command import run_job\n"
        f"{work}\nrun_job(lambda arguments: work())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.startswith("stopped")
    assert told.count("\n") == 1
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("--data.instruction", "--data.instructions"),
        ("--data.instructions-image", "--data.instructions-images"),
        ("--data.expected-instruction", "--data.expected-instructions"),
    ],
)
def test_the_nearest_flag_is_suggested(wrong, right):
    with pytest.raises(ConfigError, match=f"Did you mean {right}[?]"):
        parse_recipe(["nano", wrong, "1"], RECIPES, "job")


def test_values_of_flags_are_taken_and_the_rest_is_left():
    left, values = take_values(["a", "--x", "1", "--y=2", "--z", "--x=3"], ["--x", "--y"])
    assert left == ["a", "--z"]
    assert values == {"--x": "3", "--y": "2"}
    with pytest.raises(ConfigError, match=r"--x has no value. Write --x PATH"):
        take_values(["--x", "--y"], ["--x"])
