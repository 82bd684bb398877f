"""DeepSpeed's configuration of a stage."""

from typing import Any

from palo.model.backbones import BACKBONES
from palo.train.stages import StageConfig

_NEVER = 10**9
# Modules whose parameters DeepSpeed gathers together, with those of all modules in them.
_BLOCKS = [backbone.block for backbone in BACKBONES.values()]
_FUSED = "palo.model.fused_lora.FusedLoraLinear"


def deepspeed_config(stage: StageConfig) -> dict[str, Any]:
    """Returns DeepSpeed's configuration for a stage.

    The loop divides the loss by the step's own token count and marks its last micro-batch itself,
    so DeepSpeed is configured with one micro-batch per step.

    Args:
        stage: The stage's settings.
    """
    zero: dict[str, Any] = {
        "stage": stage.zero.level,
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
            "zero_hpz_partition_size": stage.zero.hpz or 1,
            # A linear layer in Python, which looks up its signature in each call. It is for GPUs,
            # where a block's weights may be let go of between the passes.
            "memory_efficient_linear": stage.workers.use_gpu,
        }
    if stage.zero.whole_blocks:
        zero["leaf_module"] = {"classes": _BLOCKS}
    elif stage.zero.stage == 3 and stage.lora is not None and stage.lora.fused:
        zero["leaf_module"] = {"classes": [_FUSED]}
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
