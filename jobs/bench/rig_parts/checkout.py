"""What a person has on their laptop before `ray up`: a checkout, its settings, nodes to reach."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rig_parts.ssh_machines import HOME, SshMachines

from palo import storage
from palo.errors import ConfigError

HEAD, WORKER, LAPTOP = "head", "worker", "laptop"
"""The machines: two of the cluster, and the one that everything is typed on."""
NODES = (HEAD, WORKER)
CHECKOUT = "palo"
"""The checkout's folder in the laptop's home; nodes have their copy at the same place."""
ENVIRONMENT = {f"{HOME}/{CHECKOUT}/.venv": sys.prefix, sys.base_prefix: sys.base_prefix}
"""Where each machine finds its own copy of this environment, with all packages, and its Python."""
_PROFILE = "[ -f ~/.bashrc ] && . ~/.bashrc\n"
# The machines have no way to a package index, and need none: all packages are there.
_OFFLINE = {
    "PALO_PYTHON": f"{sys.base_prefix}/bin/python3",
    "PALO_TORCH": "cpu",
    "PIP_NO_INDEX": "1",
}


def prepare_laptop(machines: SshMachines, root: Path) -> None:
    """Copies this checkout to the laptop, and gives all machines the settings of their users.

    Args:
        machines: The machines, which are off.
        root: The checkout.
    """
    target = machines[LAPTOP].home / CHECKOUT
    for name in _files(root):
        storage.ensure_folder((target / name).parent)
        shutil.copy(root / name, target / name)
    for name in (*NODES, LAPTOP):
        storage.write_text(machines[name].home / ".profile", _PROFILE)


def own_scripts() -> str:
    """Returns a command that has the scripts of a machine's environment use its own Python.

    Their first lines name that of the environment which they were copied from. On a disk that was
    prepared before there are none left.
    """
    bin_folder = f"{HOME}/{CHECKOUT}/.venv/bin"
    line = f"1s|^#!{sys.prefix}/bin/|#!{bin_folder}/|"
    return f"grep -lI '^#!{sys.prefix}/bin/' {bin_folder}/* | xargs -r sed -i '{line}'"


def _files(root: Path) -> Iterator[str]:
    """Yields the checkout's files, those that are in no commit yet, too."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
    done = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=True)  # noqa: S603
    for name in done.stdout.decode().split("\0"):
        if name and (root / name).is_file():
            yield name


def give_settings(machines: SshMachines, variables: Mapping[str, str]) -> None:
    """Writes the environment variables of the machines' users.

    Args:
        machines: The machines.
        variables: Variables of them all, such as credentials of the store.
    """
    checkout = f"{HOME}/{CHECKOUT}"
    own = {"PATH": f"{checkout}/.venv/bin:$PATH", "PYTHONPATH": f"{checkout}/platform"}
    for name, more in ((HEAD, {}), (WORKER, {}), (LAPTOP, own)):
        given = _OFFLINE | dict(variables) | more
        lines = [f'export {key}="{value}"' for key, value in given.items()]
        if name in NODES:  # as the set-up of a node does
            lines.append("[ -f ~/palo/cluster/node_env.sh ] && . ~/palo/cluster/node_env.sh")
        storage.write_text(machines[name].home / ".bashrc", "\n".join(lines) + "\n")


def set_cluster(machines: SshMachines, store: str) -> None:
    """Sets the cluster's addresses and store in the laptop's cluster/palo.toml.

    Args:
        machines: The machines.
        store: The store.

    Raises:
        ConfigError: If the file lacks one of the settings.
    """
    path = machines[LAPTOP].home / CHECKOUT / "cluster" / "palo.toml"
    before, mark, after = storage.read_text(path).partition("[local]")
    values = {
        "head": f'"{machines[HEAD].address}"',
        "workers": f'["{machines[WORKER].address}"]',
        "user": '"root"',
        "key": '"~/.ssh/id_ed25519"',
        "store": f'"{store}"',
    }
    for name, value in values.items():
        line = re.compile(rf"^{name} = .*?(?=\s*(#|$))", re.MULTILINE)
        after, found = line.subn(f"{name} = {value}", after, count=1)
        if not found:
            raise ConfigError("palo.toml has no such setting in [local]", seen=name, fix="Add it.")
    storage.write_text(path, before + mark + after)
