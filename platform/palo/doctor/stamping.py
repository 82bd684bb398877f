"""Writes the values of cluster/palo.toml into the files of a cluster.

The files stay what `ray up` and kubectl read, with their comments. A line that ends with a name of
a setting, as `region: us-east-1  # = aws.region`, holds its value.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from palo import config, storage
from palo.doctor.settings import ClusterSettings
from palo.errors import ConfigError

FILES = (
    "ray_cluster.yaml",
    "local.yaml",
    "settings.sh",
    "local_settings.sh",
    "serve.yaml",
    "local_serve.yaml",
    "kuberay/settings.yaml",
    "kuberay/store.yaml",
    "kuberay/cluster.yaml",
    "kuberay/train.yaml",
    "kuberay/serve.yaml",
)
"""The files with such lines, beside palo.toml."""
_ROLES = ("head", "data", "train", "serve")
_OBJECT_STORE = 0.4  # of a pod's memory: Ray takes 30 % for objects, DataLoaders and NCCL some more
# The group of the socket is changed, since a new membership counts from the next login only.
_INSTALL_DOCKER = (
    "command -v docker > /dev/null || "
    "sudo apt-get -o DPkg::Lock::Timeout=900 -yqq install docker.io"
    ' && sudo usermod -aG docker "$USER" && sudo chgrp "$(id -gn)" /var/run/docker.sock'
)
_MARK = " # = "
_START = re.compile(r" *(?:- )?(?:[\w.~/-]+: (?:&\w+ )?|export \w+=)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamped:
    """A file with its values put in.

    Attributes:
        path: The file.
        text: What it should hold.
        names: Settings that were put in.
        changed: Lines that differ from what it holds, by number.
    """

    path: Path
    text: str
    names: frozenset[str]
    changed: Mapping[int, str]


def stamp(path: Path, values: Mapping[str, Any]) -> Stamped:
    """Puts values into the lines of a file that name them.

    Args:
        path: A YAML file or a shell script.
        values: Values by name.

    Raises:
        ConfigError: If a line names a setting that there is none of.
    """
    lines, names, changed = [], set(), {}
    for number, line in enumerate(storage.read_text(path).splitlines(), start=1):
        before, mark, name = line.rpartition(_MARK)
        if not mark:
            lines.append(line)
            continue
        if name not in values:
            raise ConfigError(
                f"{path.name}:{number} names a setting that palo.toml hasn't",
                seen=name,
                fix=f"Name one of {', '.join(values)}.",
            )
        names.add(name)
        write = _shell if path.suffix == ".sh" else _yaml
        start = _START.match(before)
        written = f"{start[0] if start else ''}{write(values[name])} {mark}{name}"
        lines.append(written)
        if written != line:
            changed[number] = written.strip()
    text = "\n".join([*lines, ""])
    return Stamped(path=path, text=text, names=frozenset(names), changed=changed)


def stamp_all(settings: ClusterSettings, folder: Path) -> Iterator[Stamped]:
    """Yields each file of a cluster with the settings put in.

    Args:
        settings: The settings.
        folder: The folder with the files.
    """
    values = values_of(settings)
    for name in FILES:
        yield stamp(folder / name, values)


def values_of(settings: ClusterSettings) -> dict[str, Any]:
    """Returns what lines may name: each setting, and what follows from several.

    Args:
        settings: The settings.
    """
    values = dict(_flat(config.to_dict(settings), ""))
    aws, kubernetes = settings.aws, settings.kubernetes
    for role in _ROLES[1:]:
        values[f"aws.{role}.resources"] = getattr(aws, role).resources(role)
        pod = getattr(kubernetes, role)
        # Ray's names and amounts, as KubeRay takes them.
        offered = pod.resources(role).items()
        values[f"kubernetes.{role}.resources"] = {name: str(amount) for name, amount in offered}
        values[f"kubernetes.{role}.cpus"] = str(pod.cpus)
        values[f"kubernetes.{role}.memory"] = f"{pod.memory_gib}Gi"
        values[f"kubernetes.{role}.shared_memory"] = f"{int(pod.memory_gib * _OBJECT_STORE)}Gi"
    run = f"{kubernetes.store}/runs/{kubernetes.recipe}"
    return values | {
        # Ray takes an empty name of the container for no container.
        "container": "palo" if settings.image else "",
        "aws.max_nodes": sum(size.max_nodes for size in (aws.data, aws.data, aws.train, aws.serve)),
        "aws.head_profile": f"{settings.name}-head",
        "aws.worker_profile": f"{settings.name}-worker",
        "aws.image_id": f"resolve:ssm:{aws.image_parameter}",
        "aws.gpu_image_id": f"resolve:ssm:{aws.gpu_image_parameter}",
        "local.num_workers": len(settings.local.workers),
        "local.has_workers": int(bool(settings.local.workers)),
        "install_docker": _INSTALL_DOCKER if settings.image else ":",
        "kubernetes.entrypoint": f"python -m jobs.finetune {kubernetes.recipe} --output {run}",
        "serve.url": f"http://127.0.0.1:{settings.serve.port}",
        # CUDA graphs for decoding.
        "serve.has_gpus": settings.serve.replica.gpus > 0,
        "local.has_gpus": settings.local.replica.gpus > 0,
        "kubernetes.store_size": f"{kubernetes.store_gib}Gi",
    }


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _yaml(value: Any) -> str:  # noqa: ANN401 - JSON values
    written = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return written.removesuffix("...\n").strip()


def _shell(value: Any) -> str:  # noqa: ANN401 - JSON values
    text = str(value)
    # The shell puts the home folder in place of a tilde only where it isn't quoted.
    return f"~/{shlex.quote(text[2:])}" if text.startswith("~/") else shlex.quote(text)
