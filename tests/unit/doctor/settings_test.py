"""palo.toml is checked before anything is written from it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from palo.doctor.settings import address_fault, bucket_fault, read_settings
from palo.errors import ConfigError

_FILE = Path(__file__).resolve().parents[3] / "cluster" / "palo.toml"


def _with(tmp_path: Path, old: str, new: str) -> Path:
    text = _FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "palo.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_file_as_it_comes_is_right_but_for_its_placeholders() -> None:
    settings = read_settings(_FILE)
    assert settings.aws.train.gpus == 8
    assert "stands for your own" in bucket_fault("YOUR-BUCKET")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "palo"', 'name = "My Cluster"', "name is lower-case"),
        ('"s3://YOUR-BUCKET/palo"', '"/srv/palo"', "store begins with s3://"),
        ('"203.0.113.7/32"', '"0.0.0.0/8"', "begins with 0"),
        ("idle_minutes = 10", "idle_minutes = 600", "idle_minutes are 1 to 60"),
        ("max_nodes = 4", "max_nodes = 0", "1 or more"),
        ('models = ["newest"]', "models = []", "models are names of runs"),
        ('models = ["newest"]', 'models = ["runs/7b"]', "models are names of runs"),
        ("port = 8000", "port = 0", "port is 1 to 65535"),
        ("min_replicas = 1", "min_replicas = 0", "min_replicas are 1 to max_replicas"),
        ("num_slots = 6 ", "num_slots = 0 ", "num_slots and max_context are 1 or more"),
        ("cpus = 96", "cpus = -1", "0 or more"),
        ("workers = []", 'workers = ["10.0.0.2"]', "the workers can reach"),
        ("idle_minutes", "idle_minuets", "no field of this name: idle_minuets"),
        ('region = "us-east-1"', "region = 1", "region"),
        ('user = "ubuntu"\n', "", "incomplete"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_settings(_with(tmp_path, old, new))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("203.0.113.7/32", ""),
        ("198.51.100.0/24", ""),
        ("0.0.0.0/0", "begins with 0"),
        ("0.0.0.0/8", "begins with 0"),
        ("0.1.2.3/32", "begins with 0"),
        ("8.0.0.0/8", "lets 16,777,216 addresses in"),
        ("127.0.0.1/32", "no request comes from"),
        ("224.0.0.1/32", "no request comes from"),
        ("169.254.1.1/32", "no request comes from"),
        ("203.0.113.7/24", "no range"),
        ("2001:db8::1/128", "no range"),
    ],
)
def test_a_range_of_addresses_is_judged(address: str, told: str) -> None:
    assert told in address_fault(address)
    assert bool(address_fault(address)) == bool(told)


@pytest.mark.parametrize("name", ["my-data", "a1b", "data.example.org", "x" * 63])
def test_names_of_buckets(name: str) -> None:
    assert not bucket_fault(name)


def test_settings_of_a_test_cluster_are_written_everywhere(
    cluster_folder: Callable[..., Path],
) -> None:
    folder = cluster_folder({'region = "us-east-1"': 'region = "eu-north-1"'})
    for name in ("ray_cluster.yaml", "settings.sh"):
        assert "eu-north-1" in (folder / name).read_text(encoding="utf-8")
        assert "us-east-1" not in (folder / name).read_text(encoding="utf-8")
