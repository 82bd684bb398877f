"""Settings of a run of another trainer, which its program reads from a JSON file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherRun:
    """A run of another trainer, as its JSON file says.

    Attributes:
        folder: Folder with config.json, start.safetensors and samples.safetensors.
        log: File that gets a JSON line for each step.
        micro_batch: Samples of a worker's batch.
        samples_per_step: Samples of an optimizer step, over all workers.
        workers: Number of workers.
        lora_rank: Inner width of the LoRA matrices.
        lora_alpha: Their strength.
        lr_projector: Peak learning rate of the projector.
        lr_language_model: Peak learning rate of the LoRA matrices.
        lr_scales: Share of the peak learning rates, for each step.
        betas: AdamW's decay rates.
        eps: AdamW's term against division by zero.
        max_grad_norm: Gradients are scaled down to this norm.
        recompute: Whether activations are recomputed in the backward pass.
        zero: DeepSpeed's settings of ZeRO.
    """

    folder: str
    log: str
    micro_batch: int
    samples_per_step: int
    workers: int
    lora_rank: int
    lora_alpha: float
    lr_projector: float
    lr_language_model: float
    lr_scales: Sequence[float]
    betas: tuple[float, float]
    eps: float
    max_grad_norm: float
    recompute: bool
    zero: dict[str, Any]

    def trainer_arguments(self) -> dict[str, Any]:
        """Returns the arguments that transformers' and TRL's trainers have in common."""
        return {
            "output_dir": f"{self.log}.output",
            "max_steps": len(self.lr_scales),
            "per_device_train_batch_size": self.micro_batch,
            "gradient_accumulation_steps": self.samples_per_step
            // (self.micro_batch * self.workers),
            "train_sampling_strategy": "sequential",  # the samples lie in the sampler's order
            "dataloader_num_workers": 1,
            "gradient_checkpointing": self.recompute,
            "max_grad_norm": self.max_grad_norm,
            "average_tokens_across_devices": True,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "remove_unused_columns": False,
            "use_cpu": True,
            "ddp_backend": "gloo",
            "bf16": False,
            "deepspeed": {
                "train_micro_batch_size_per_gpu": "auto",
                "gradient_accumulation_steps": "auto",
                "gradient_clipping": "auto",
                "zero_optimization": self.zero,
                "zero_allow_untested_optimizer": True,
                "zero_force_ds_cpu_optimizer": False,
            },
        }
