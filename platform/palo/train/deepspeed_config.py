"""The DeepSpeed JSON, generated from a stage's settings and never kept by hand."""

from typing import Any

from palo.train.stages import StageConfig

_NEVER = 10**9


def deepspeed_config(stage: StageConfig) -> dict[str, Any]:
    """Returns DeepSpeed's configuration for a stage.

    The loop divides the loss by the step's own token count and marks its last micro-batch itself,
    so DeepSpeed is told of one micro-batch per step.
    """
    zero: dict[str, Any] = {
        "stage": stage.zero.stage,
        "reduce_bucket_size": stage.zero.bucket_elements,
        "overlap_comm": stage.workers.use_gpu,
        "contiguous_gradients": True,
    }
    if stage.zero.stage == 3:
        zero |= {
            "stage3_param_persistence_threshold": stage.zero.persistence_threshold,
            "stage3_prefetch_bucket_size": stage.zero.bucket_elements,
            "stage3_max_live_parameters": stage.zero.live_parameters,
            "stage3_max_reuse_distance": stage.zero.live_parameters,
        }
    if stage.zero.offload:
        zero["offload_optimizer"] = {"device": "cpu"}
        if stage.zero.stage == 3:
            zero["offload_param"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": stage.optimizer.max_grad_norm,
        "bf16": {"enabled": stage.dtype == "bfloat16"},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": _NEVER,
    }
