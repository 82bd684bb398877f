"""A configuration tells all its faults at once and survives a trip through JSON."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from tyro.conf import arg

from palo import config, storage
from palo.errors import ConfigError, StorageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimizer:
    learning_rate: float = 2e-4
    betas: tuple[float, ...] = (0.9, 0.999)

    def faults(self) -> Iterator[str]:
        if self.learning_rate <= 0:
            yield f"learning_rate must be positive, not {self.learning_rate}"
        if not self.betas:
            yield "betas must not be empty"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    name: Literal["pretrain", "finetune"] = "finetune"
    num_steps: int = 10
    shuffle: bool = True
    output: Path = Path("runs")
    limit: int | None = None
    note: str = ""
    optimizer: Optimizer = field(default_factory=Optimizer)
    mixture: dict[str, float] = field(default_factory=dict)

    def faults(self) -> Iterator[str]:
        if self.num_steps < 1:
            yield "num_steps must be at least 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    stage: Annotated[Stage, arg(name="")] = field(default_factory=Stage)


CHANGED = Stage(
    name="pretrain",
    num_steps=3,
    shuffle=False,
    output=Path("a/b"),
    limit=7,
    note="résumé 中文",
    optimizer=Optimizer(learning_rate=1e-3, betas=(0.8,)),
    mixture={"en": 0.5},
)


def test_every_fault_of_the_tree_is_told_at_once_behind_its_path() -> None:
    wrong = Stage(num_steps=0, optimizer=Optimizer(learning_rate=-1.0, betas=()))
    with pytest.raises(ConfigError) as caught:
        config.check(wrong)
    assert caught.value.fact == "Stage has 3 faults"
    assert caught.value.seen.split("; ") == [
        "num_steps must be at least 1",
        "optimizer.learning_rate must be positive, not -1.0",
        "optimizer.betas must not be empty",
    ]


def test_what_has_no_part_in_the_names_of_flags_has_none_in_those_of_faults() -> None:
    job = Job(stage=Stage(optimizer=Optimizer(learning_rate=-1.0)))
    with pytest.raises(ConfigError, match=r": optimizer\.learning_rate must be positive"):
        config.check(job)


def test_one_fault_is_counted_as_one() -> None:
    with pytest.raises(ConfigError, match="Stage has one fault: num_steps"):
        config.check(Stage(num_steps=0))


def test_a_configuration_without_faults_passes() -> None:
    config.check(CHANGED)
    config.check({"not": "a dataclass"})


@pytest.mark.parametrize("stage", [Stage(), CHANGED, Stage(limit=None)])
def test_a_trip_through_json_changes_nothing(stage: Stage) -> None:
    values = json.loads(json.dumps(config.to_dict(stage)))
    assert config.from_dict(Stage, values) == stage


def test_a_path_on_s3_survives_json() -> None:
    stage = Stage(output=storage.path_of("s3://bucket/runs?region=eu-west-1"))
    rebuilt = config.from_dict(Stage, json.loads(json.dumps(config.to_dict(stage))))
    assert rebuilt == stage
    assert isinstance(rebuilt.output, storage.S3Path)
    with pytest.raises(StorageError, match=r"Write s3://bucket/folder"):
        config.from_dict(Stage, {"output": "s3://"})


def test_fields_left_out_keep_their_defaults() -> None:
    assert config.from_dict(Stage, {"num_steps": 4}) == Stage(num_steps=4)


def test_a_whole_number_does_for_a_float() -> None:
    rebuilt = config.from_dict(Optimizer, {"learning_rate": 1})
    assert isinstance(rebuilt.learning_rate, float)


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no field of this name: num_step\. Its fields are name"):
        config.from_dict(Stage, {"num_step": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_steps", "3"),
        ("num_steps", True),
        ("num_steps", 3.5),
        ("num_steps", None),
        ("shuffle", "false"),
        ("shuffle", 0),
        ("name", "finetunes"),
        ("output", 3),
        ("limit", "7"),
        ("mixture", [0.5]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} has the wrong type"):
        config.from_dict(Stage, {name: value})


def test_a_wrong_value_deep_in_the_tree_is_refused() -> None:
    with pytest.raises(ConfigError, match="learning_rate has the wrong type"):
        config.from_dict(Stage, {"optimizer": {"learning_rate": "fast"}})


def test_equal_configurations_have_equal_fingerprints() -> None:
    rebuilt = config.from_dict(Stage, config.to_dict(CHANGED))
    assert config.fingerprint(rebuilt) == config.fingerprint(CHANGED)
    assert len(config.fingerprint(CHANGED)) == 16
    assert int(config.fingerprint(CHANGED), 16) >= 0


def test_a_whole_number_in_a_float_field_has_the_name_of_the_float() -> None:
    whole = Stage(optimizer=Optimizer(learning_rate=1, betas=(1, 0)), mixture={"en": 2})
    exact = Stage(optimizer=Optimizer(learning_rate=1.0, betas=(1.0, 0.0)), mixture={"en": 2.0})
    assert json.dumps(config.to_dict(whole)) == json.dumps(config.to_dict(exact))
    assert config.fingerprint(whole) == config.fingerprint(exact)
    assert json.dumps(config.to_dict(Stage(num_steps=3, limit=7))["limit"]) == "7"
    assert config.to_dict(Stage())["shuffle"] is True


def test_the_order_of_keys_leaves_the_fingerprint_alone() -> None:
    values = config.to_dict(CHANGED)
    turned = dict(reversed(values.items()))
    assert config.fingerprint(turned) == config.fingerprint(values)


def test_any_changed_leaf_changes_the_fingerprint() -> None:
    prints = {config.fingerprint(CHANGED)}
    for changed in (
        dataclasses.replace(CHANGED, num_steps=4),
        dataclasses.replace(CHANGED, note="resume 中文"),
        dataclasses.replace(CHANGED, optimizer=Optimizer(learning_rate=1e-3, betas=(0.9,))),
    ):
        prints.add(config.fingerprint(changed))
    assert len(prints) == 4


def test_the_fingerprint_is_the_same_in_another_process_and_for_ever() -> None:
    values = {"b": [1, 2.5, None, True], "a": {"text": "বাংলা"}}
    program = f"from palo.config import fingerprint; print(fingerprint({values!r}))"
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert config.fingerprint(values) == other.stdout.strip() == "6e1837c6081650c7"
