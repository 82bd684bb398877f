"""What Ray is told of the encoders: their share of a cluster, and how their actors run."""

from typing import Any

from palo.capacity import Cluster, Share, choose_kind
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.roles import compute_role, role_labels

# Less than its threads: Ray Data fuses steps with equal shares, here decoding and encoding. And
# what decodes must find room on a machine whose every CPU has an encoder.
_SPARED_CPUS = 0.4
_CALLS_AT_ONCE = 2
# Memory that a batch frees stays with an encoder on a CPU: its kernel would clear each page again
# for the next batch.
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}


def encoder_share(settings: EncoderSettings, cluster: Cluster) -> Share:
    """Returns what the encoders take of a cluster, all of one kind of GPU, on nodes of their role.

    Args:
        settings: The encoders' settings.
        cluster: The cluster.
    """
    labels = settings.node_labels or role_labels(compute_role(settings.gpus), cluster)
    kind = choose_kind(settings.gpu_kinds, cluster, settings.count, settings.gpus, labels)
    return Share(
        workers="image encoders",
        count=settings.count,
        cpus=(1 if settings.gpus else settings.threads) - _SPARED_CPUS,
        gpus=settings.gpus,
        gpu_kind=kind if settings.gpus else None,
        node_labels=labels,
    )


def encoder_options(share: Share) -> dict[str, Any]:
    """Returns the options of Ray Data's pool of encoders.

    Each encoder works on two shards at a time: while the tower runs on one, the other is moved or
    written.

    Args:
        share: What they take.
    """
    import ray

    options: dict[str, Any] = {
        "compute": ray.data.ActorPoolStrategy(
            size=share.count,
            max_concurrent_calls_per_actor=_CALLS_AT_ONCE,
            enable_true_multi_threading=True,
        ),
        "num_cpus": share.cpus,
    }
    if share.gpus:
        options["num_gpus"] = share.gpus
    else:
        options["runtime_env"] = {"env_vars": dict(_KEEP_MEMORY)}
    if share.gpu_kind:
        options["accelerator_type"] = share.gpu_kind
    if share.node_labels:
        options["label_selector"] = dict(share.node_labels)
    return options
