"""What one key can learn about the questions of another: nothing, by words, counts or work.

The prefix cache was an exact oracle once: usage told a stranger how many tokens of a guess somebody
had sent before, and a right guess was computed faster than a wrong one.
"""

import base64

import pytest
from tests.abuse.endpoints import Coming, app_of, ask, client_of, handler_of, keyed

from palo.inference.engine import EngineSettings
from palo.serve.replica import ModelReplica
from palo.serve.settings import ModelSource, ReplicaSettings

SECRET = "The name of the patient is Amina Rahman, ward seven, room twelve, bed two."
WRONG = SECRET.replace("Amina", "Emine")
SETTINGS = ReplicaSettings(engine=EngineSettings(num_slots=2, max_context=250))


@pytest.fixture(scope="module")
def replica(finished_stage):
    replica = ModelReplica((ModelSource(name="palo", folder=finished_stage),), SETTINGS)
    yield replica
    replica.close()


@pytest.fixture
def endpoint(replica, tmp_path):
    """Makes clients of one endpoint, by the key they bring; its caches begin empty."""
    replica._encoder._known.clear()
    replica._engine._scheduler._prefix_cache._blocks.clear()
    opened = []

    def make(*tenants, **access):
        path = tmp_path / "keys.json"
        secrets = [
            keyed(path, f"key {number}", **({} if tenant is None else {"tenant": tenant}))
            for number, tenant in enumerate(tenants)
        ]
        app = app_of(handler_of(lambda asked: Coming(replica.generate(asked)), path, **access))
        first = client_of(app, secrets[0])
        opened.append(first.__enter__())  # one event loop for all, as that of a replica
        for secret in secrets[1:]:
            client = client_of(app, secret)
            client.portal = first.portal
            opened.append(client)
        return opened[-len(tenants) :]

    yield make
    if opened:
        opened[0].__exit__(None, None, None)


def image(file):
    url = "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "red?"}]


def cost(replica, client, content="a red circle?", system=SECRET):
    """Returns what a question cost: tokens that its client is told were known, and the work."""
    before, computed = replica.stats(), replica._encoder.num_computed
    response = ask(client, content, system, max_tokens=2)
    assert response.status_code == 200, response.text
    after = replica.stats()
    return {
        "told": response.json()["usage"]["prompt_tokens_details"]["cached_tokens"],
        "prefill_tokens": after.prefill_tokens - before.prefill_tokens,
        "steps": after.steps - before.steps,
        "cached_tokens": after.cached_tokens - before.cached_tokens,
        "images_computed": replica._encoder.num_computed - computed,
    }


def test_a_right_guess_costs_and_tells_what_a_wrong_one_does(replica, endpoint):
    owner, guesses_right, guesses_wrong = endpoint(None, None, None)
    cost(replica, owner)
    right = cost(replica, guesses_right)
    wrong = cost(replica, guesses_wrong, system=WRONG)
    assert right == wrong
    assert right["told"] == right["cached_tokens"] == 0


def test_a_right_guess_of_an_image_costs_what_a_wrong_one_does(replica, endpoint, image_files):
    owner, guesses_right, guesses_wrong = endpoint(None, None, None)
    seen, other = (image(path) for path in image_files[:2])
    cost(replica, owner, seen, None)
    right = cost(replica, guesses_right, seen, None)
    wrong = cost(replica, guesses_wrong, other, None)
    assert right == wrong
    assert right["images_computed"] == 1


def test_an_owner_keeps_the_cache_and_is_told_of_it(replica, endpoint, image_files):
    owner, _ = endpoint(None, None)
    cold = cost(replica, owner, image(image_files[0]))
    warm = cost(replica, owner, image(image_files[0]))
    assert warm["told"] == warm["cached_tokens"] > 64
    assert warm["prefill_tokens"] < cold["prefill_tokens"]
    assert (cold["images_computed"], warm["images_computed"]) == (1, 0)


def test_keys_of_one_tenant_share_and_others_do_not(replica, endpoint):
    first, second, stranger = endpoint("ward 7", "ward 7", "ward 8")
    cost(replica, first)
    assert cost(replica, second)["told"] > 64
    assert cost(replica, stranger)["cached_tokens"] == 0


def test_sharing_by_choice_saves_work_and_tells_nobody_the_count(replica, endpoint):
    owner, guesser = endpoint(None, None, cache_sharing="all")
    cost(replica, owner)
    shared = cost(replica, guesser)
    assert shared["cached_tokens"] > 64
    assert shared["told"] == 0


def test_without_keys_everybody_is_one(replica, endpoint):
    (anybody,) = endpoint(None, no_keys=True)
    cost(replica, anybody)
    assert cost(replica, anybody)["told"] > 64
