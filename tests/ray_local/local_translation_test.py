"""Translations by a pool of Ray actors."""

import pytest

from palo.errors import ConfigError, ResourceError
from palo.translate.backends.local_model import LocalTranslation, LocalTranslator
from palo.translate.backends.local_worker import LocalModel
from palo.translate.prompts.prompt import turn_messages

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def translator(folder, **changes):
    values = {"folder": folder, "batch_size": 2, "max_new_tokens": 5}
    return LocalTranslator(LocalTranslation(**values | changes))


def test_each_conversation_comes_back_once_as_one_process_makes_it(
    local_translators, request_of, backend_run
):
    folder = local_translators / "causal"
    requests = [request_of("What is it?", "A cat. " * n, number=n) for n in range(1, 12)]
    backend_run.run(translator(folder, num_workers=2), iter(requests))
    model = LocalModel(folder, batch_size=2, max_new_tokens=5)
    expected = {
        request.key: tuple(model.translate([turn_messages(request, n) for n in range(2)]))
        for request in requests
    }
    assert {key: draft.texts for key, draft in backend_run.ended.items()} == expected
    assert not backend_run.sent


def test_a_cluster_that_is_too_small_is_told(local_translators, request_of, backend_run):
    requests = [request_of("a", "b", number=number) for number in range(200)]
    with pytest.raises(ResourceError, match=r"no room for 99 workers that translate: .*4 CPUs"):
        backend_run.run(translator(local_translators / "nllb", num_workers=99), requests)


def test_an_error_in_a_worker_ends_the_job_as_it_was_raised(
    local_translators, request_of, backend_run, tmp_path
):
    broken = translator(local_translators / "causal", adapter=tmp_path)
    with pytest.raises(ConfigError, match="can't be loaded"):
        backend_run.run(broken, [request_of("a", "b", number=number) for number in range(5)])
