"""The rig's machines, which have an SSH server each, and what the laptop among them is given."""

import sys
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from palo.doctor.settings import read_settings

_OWN = ("resuming", "rig_parts", "training")


@pytest.fixture(scope="module")
def rig():
    """The bench's own modules, which are importable from beside the bench alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "jobs" / "bench"))
        from rig_parts import checkout, ssh_machines

        yield SimpleNamespace(checkout=checkout, machines=ssh_machines)
    for name in list(sys.modules):
        if name.split(".")[0] in _OWN:
            del sys.modules[name]


@pytest.fixture
def machines(rig, tmp_path):
    if why := rig.machines.why_no_ssh_machines():
        pytest.skip(f"machines with SSH servers: {why}")
    mount = tmp_path / "mount"
    mount.mkdir()
    made = rig.machines.SshMachines(
        tmp_path, ("head", "worker", "laptop"), 200, {"/shared": mount}, rig.checkout.ENVIRONMENT
    )
    with made:
        yield made
    made.clear()


def test_machines_reach_each_other_and_share_nothing_but_what_is_mounted(rig, machines, tmp_path):
    for name in ("head", "worker"):
        machines.turn_on(name)
    head = machines["head"].address
    ssh = f"ssh -o StrictHostKeyChecking=no root@{head}"
    done = machines.run("worker", f"{ssh} 'hostname; touch ~/a /tmp/b /etc/c /shared/d'")
    assert (done.returncode, done.stdout) == (0, "head\n"), done.stderr
    seen = machines.run("worker", "ls ~/a /tmp/b /etc/c /shared/d")
    assert seen.stdout == "/shared/d\n"
    assert (tmp_path / "mount" / "d").exists()
    python = machines.run("worker", "~/palo/.venv/bin/python -c 'import ray; print(ray.__file__)'")
    assert python.stdout.startswith(f"{rig.machines.HOME}/palo/.venv/")


def test_a_machine_without_power_answers_nothing_and_keeps_its_disk(machines):
    machines.turn_on("head")
    machines.run("head", "touch ~/kept; sleep 600 > /dev/null 2>&1 &")
    assert any("sleep 600" in line for line in machines["head"].command_lines())
    machines.lose("head")
    assert machines.run("head", "true").returncode != 0
    assert list(machines["head"].command_lines()) == []
    machines.turn_on("head")
    assert machines.run("head", "ls ~/kept").returncode == 0
    assert not any("sleep 600" in line for line in machines["head"].command_lines())


def test_the_laptop_has_the_checkout_with_its_own_settings(rig, machines):
    rig.checkout.prepare_laptop(machines, ROOT)
    rig.checkout.set_cluster(machines, "s3://b/palo?endpoint_override=10.0.0.1:5000&scheme=http")
    folder = machines["laptop"].home / "palo"
    settings = read_settings(folder / "cluster" / "palo.toml")
    assert settings.local.head == machines["head"].address
    assert list(settings.local.workers) == [machines["worker"].address]
    assert settings.local.store.startswith("s3://b/palo?")
    assert settings.store == read_settings(ROOT / "cluster" / "palo.toml").store
    assert (folder / "platform" / "palo" / "capacity.py").is_file()
    assert not (folder / ".git").exists()
