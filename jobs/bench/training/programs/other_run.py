"""What the runs of the other trainers share: their settings, samples, optimizer, and log.

It needs torch, transformers, PEFT and DeepSpeed, and nothing of ours.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import deepspeed
import torch
from deepspeed.ops.op_builder.cpu.comm import ShareMemCommBuilder
from safetensors.torch import load_file
from training.programs.other_model import other_model, read_config
from training.programs.other_settings import OtherRun
from transformers import TrainerCallback

_IGNORED = -100


def read_run(arguments: Sequence[str]) -> OtherRun:
    """Reads a run's settings, and prepares this process as our own workers are.

    Args:
        arguments: The JSON file with them.
    """
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_flush_denormal(True)
    # A kernel for inference, which DeepSpeed would compile for a minute and training never calls.
    deepspeed.ops.__compatible_ops__[ShareMemCommBuilder.NAME] = False
    return OtherRun(**json.loads(Path(arguments[0]).read_text(encoding="utf-8")))


def read_samples(run: OtherRun) -> list[dict[str, Any]]:
    """Returns the encoded samples, in the order in which they are trained on.

    Args:
        run: The run.

    Returns:
        For each sample its input_ids and labels, and the number of its image, -1 without one.
    """
    stored = load_file(Path(run.folder) / "samples.safetensors")
    sizes = stored["lengths"].tolist()
    ids, labels = (torch.split(stored[name], sizes) for name in ("input_ids", "labels"))
    return [
        {"input_ids": own.tolist(), "labels": learned.tolist(), "number_of_image": image}
        for own, learned, image in zip(ids, labels, stored["images"].tolist(), strict=True)
    ]


class Padding:
    """Makes batches that are padded to their longest sample.

    Args:
        run: The run.
    """

    def __init__(self, run: OtherRun) -> None:
        stored = load_file(Path(run.folder) / "samples.safetensors")
        self._features = stored["features"].float()

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Makes a batch.

        Args:
            samples: Items of `read_samples`.

        Returns:
            The model's arguments: (B, L) ids, labels and mask, and (N, P, D) features if there are
            images.
        """
        ids = [torch.tensor(sample["input_ids"]) for sample in samples]
        labels = [torch.tensor(sample["labels"]) for sample in samples]
        pad = torch.nn.utils.rnn.pad_sequence
        batch = {
            "input_ids": pad(ids, batch_first=True),
            "attention_mask": pad([torch.ones_like(each) for each in ids], batch_first=True),
            "labels": pad(labels, batch_first=True, padding_value=_IGNORED),
        }
        images = [s["number_of_image"] for s in samples if s["number_of_image"] >= 0]
        if images:
            batch["pixel_values"] = self._features[images]
        return batch


def build(run: OtherRun) -> Any:  # noqa: ANN401 - PEFT's wrapper
    """Builds the model with the weights that all trainers begin with.

    Args:
        run: The run.
    """
    folder = Path(run.folder)
    model = other_model(read_config(folder), run.lora_rank, run.lora_alpha)
    model.load_state_dict(load_file(folder / "start.safetensors"))
    return model


def with_our_optimizer(trainer: Any, run: OtherRun) -> Any:  # noqa: ANN401 - a class of transformers
    """Returns a trainer's class with AdamW and its schedule as all trainers of the bench have them.

    With DeepSpeed, transformers' Trainer drops the optimizer that it is given.

    Args:
        trainer: transformers' Trainer, or a class that is derived from it.
        run: The run.
    """
    scales = [*run.lr_scales, 0.0]

    class WithOurOptimizer(trainer):  # type: ignore[misc]
        def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:  # noqa: ANN401
            groups: list[dict[str, Any]] = [
                {"params": [], "lr": run.lr_projector, "weight_decay": 0.0},
                {"params": [], "lr": run.lr_language_model, "weight_decay": 0.0},
            ]
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    groups["multi_modal_projector" not in name]["params"].append(parameter)
            self.optimizer = torch.optim.AdamW(groups, betas=run.betas, eps=run.eps)
            return self.optimizer

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:  # noqa: ANN401
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                self.optimizer, lambda step: scales[step]
            )
            return self.lr_scheduler

    return WithOurOptimizer


class StepLog(TrainerCallback):  # type: ignore[misc]
    """Writes each step's loss, and when it began and ended, on the first worker.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._began = self._ended = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Notes when a step begins.

        Args:
            args: The trainer's.
            state: The trainer's.
            control: The trainer's.
            **kwargs: The trainer's.
        """
        self._began = time.time()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Notes when a step ends.

        Args:
            args: The trainer's.
            state: The trainer's.
            control: The trainer's.
            **kwargs: The trainer's.
        """
        self._ended = time.time()

    def on_log(
        self,
        args: Any,  # noqa: ANN401
        state: Any,  # noqa: ANN401
        control: Any,  # noqa: ANN401
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Writes a step's line.

        Args:
            args: The trainer's.
            state: The trainer's.
            control: The trainer's.
            logs: What the trainer tells of the step.
            **kwargs: The trainer's.
        """
        if not state.is_world_process_zero or logs is None or "loss" not in logs:
            return
        line = {"loss": logs["loss"], "began": self._began, "ended": self._ended}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
