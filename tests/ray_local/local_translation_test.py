"""Translations by a pool of Ray Data actors."""

import pytest

from palo.errors import ResourceError
from palo.translate.backends import local_model
from palo.translate.backends.local_model import LocalTranslation, LocalTranslator
from palo.translate.backends.local_worker import LocalModel
from palo.translate.prompts.prompt import turn_messages

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def translator(folder, **changes):
    values = {"folder": folder, "batch_size": 2, "max_new_tokens": 5}
    return LocalTranslator(LocalTranslation(**values | changes))


def test_each_conversation_comes_back_once_as_one_process_makes_it(
    local_translators, unit_of, desk, monkeypatch
):
    monkeypatch.setattr(local_model, "_UNITS_A_WAVE", 3)
    folder = local_translators / "causal"
    units = [unit_of("What is it?", "A cat. " * n, number=n) for n in range(1, 5)]
    translator(folder, num_workers=2).translate(iter(units), desk.desk)
    model = LocalModel(folder, batch_size=2, max_new_tokens=5)
    expected = {
        unit.key: tuple(model.translate([turn_messages(unit, n) for n in range(2)]))
        for unit in units
    }
    assert {key: draft.texts for key, draft in desk.ended.items()} == expected
    assert not desk.sent


def test_a_cluster_that_is_too_small_is_told(local_translators, unit_of, desk):
    units = [unit_of("a", "b", number=number) for number in range(200)]
    with pytest.raises(ResourceError, match=r"can't hold 99 workers.*4 CPUs"):
        translator(local_translators / "nllb", num_workers=99).translate(units, desk.desk)
