"""palo.toml reaches every file of a cluster, and the committed files hold what it says."""

import dataclasses
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.fixtures.scripts import load_script

from palo import config
from palo.doctor.settings import read_settings
from palo.doctor.stamping import FILES, stamp, stamp_all, values_of
from palo.errors import ConfigError

_FOLDER = Path(__file__).resolve().parents[3] / "cluster"


def test_the_files_hold_what_palo_toml_says() -> None:
    settings = read_settings(_FOLDER / "palo.toml")
    assert not [(one.path.name, one.changed) for one in stamp_all(settings, _FOLDER) if one.changed]


def test_every_setting_is_used_somewhere() -> None:
    settings = read_settings(_FOLDER / "palo.toml")
    used = frozenset().union(*(one.names for one in stamp_all(settings, _FOLDER)))
    # What prepare_account.py reads, and what other values are made of.
    indirect = re.compile(
        r"aws\.address|aws\.(gpu_)?image_parameter|kubernetes\.(store_gib|recipe)"
        r"|(aws|kubernetes)\.(head|data|train|serve)\.\w+"
    )
    given = set(_names(config.to_dict(settings)))
    assert not [name for name in given - used if not indirect.fullmatch(name)]
    assert used <= set(values_of(settings))


def _names(values: dict, prefix: str = "") -> list[str]:
    found = []
    for name, value in values.items():
        below = (
            _names(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
        )
        found += below
    return found


def test_every_file_with_a_mark_is_listed() -> None:
    marked = {
        str(path.relative_to(_FOLDER))
        for path in _FOLDER.rglob("*")
        if path.suffix in (".yaml", ".sh") and " # = " in path.read_text(encoding="utf-8")
    }
    assert marked == set(FILES)


def test_a_change_reaches_the_files_and_a_second_run_changes_nothing(
    cluster_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.autoscaler._private.docker import validate_docker_config

    folder = cluster_folder()
    toml = folder / "palo.toml"
    text = toml.read_text(encoding="utf-8")
    for old, new in {
        'image = ""': 'image = "registry.example/palo:1"',
        'workers = []': 'workers = ["10.0.0.2", "10.0.0.3"]',
        'head = "127.0.0.1"': 'head = "10.0.0.1"',
        'store = "/store"': 'store = "s3://cluster/palo"',
    }.items():  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    toml.write_text(text, encoding="utf-8")
    script = load_script(_FOLDER / "configure.py")
    monkeypatch.setattr(script, "_FOLDER", folder)
    assert script.main(["--check"]) == 2
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0
    aws = yaml.safe_load((folder / "ray_cluster.yaml").read_text(encoding="utf-8"))
    assert aws["docker"]["image"] == "registry.example/palo:1"
    assert aws["docker"]["container_name"]
    assert "docker.io" in aws["initialization_commands"][1]
    validate_docker_config(aws)
    local = yaml.safe_load((folder / "local.yaml").read_text(encoding="utf-8"))
    assert local["provider"]["worker_ips"] == ["10.0.0.2", "10.0.0.3"]
    assert (local["min_workers"], local["max_workers"]) == (2, 2)
    environment = (folder / "local_settings.sh").read_text(encoding="utf-8")
    assert "PALO_HEAD_IP=10.0.0.1 " in environment
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=1 " in environment
    settings = yaml.safe_load((folder / "kuberay/settings.yaml").read_text(encoding="utf-8"))
    assert settings["data"]["PALO_STORE"] == "s3://cluster/palo"


def test_a_value_survives_yaml_and_the_shell(tmp_path: Path) -> None:
    values = {"a.b": "it's # a: trap", "flag": True, "list": ["x", "1"], "home": "~/palo store"}
    yml, shell = tmp_path / "x.yaml", tmp_path / "x.sh"
    yml.write_text(
        "k: old  # = a.b\nitems:\n  - old  # = flag\nl: []  # = list\n", encoding="utf-8"
    )
    shell.write_text("export A=old  # = a.b\nexport H=old  # = home\n", encoding="utf-8")
    assert yaml.safe_load(stamp(yml, values).text) == {
        "k": "it's # a: trap",
        "items": [True],
        "l": ["x", "1"],
    }
    told = subprocess.run(
        ["/bin/sh", "-c", f'{stamp(shell, values).text}\nprintf "%s|%s" "$A" "$H"'],
        env={"HOME": "/tmp/h"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "it's # a: trap|/tmp/h/palo store"


def test_a_name_that_there_is_none_of_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("k: v\nregion: x  # = aws.regoin\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.yaml:2 .*aws\.regoin"):
        stamp(path, {"aws.region": "x"})


def test_two_clusters_of_two_names_share_nothing() -> None:
    settings = read_settings(_FOLDER / "palo.toml")
    other = values_of(dataclasses.replace(settings, name="other"))
    for key in ("name", "aws.head_profile", "aws.worker_profile"):
        assert "other" in other[key]
