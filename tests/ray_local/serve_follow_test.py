"""An endpoint on an empty store idles, serves the first run that is finished, and then newer ones.

Clients ask all the time while one run replaces another: no request fails.
"""

import shutil
import threading
import time
from contextlib import contextmanager

import httpx
import openai
import pytest
from tests.ray_local.serve_app_test import WAIT_S, _free_port

pytestmark = pytest.mark.ray

_APP = "palo"


@pytest.fixture(scope="module")
def store(local_ray, tmp_path_factory):
    """A store of its own, which workers get named and marked."""
    from palo.sharing import MARKS
    from palo.store import STORE

    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STORE, str(folder))
        patch.setenv(MARKS, "{}")
        yield folder


@pytest.fixture(scope="module")
def endpoint(store):
    """The address of an endpoint that was deployed before there was a model or a key."""
    from apps.chat_api import build
    from ray import serve

    from palo.serve.running import run_application

    arguments = {
        "models": "newest",
        "follow": {"look_every_s": 0.5},
        "access": {"may_lack_keys": True},
        "replica": {"engine": {"num_slots": 4, "max_context": 240}},
        "scale": {"drain_s": 30.0},
    }
    port = _free_port()
    run_application(build(arguments), "127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


@pytest.fixture(scope="module")
def key(endpoint, store):
    """A key that was made after the endpoint had started."""
    from palo.security.keys import add_key

    with httpx.Client(base_url=endpoint) as anybody:
        assert anybody.get("/healthz").status_code == 200
        assert anybody.get("/v1/models").status_code == 401
    return add_key(store / "keys.json", "tests")[0]


@pytest.fixture
def client(endpoint, key):
    with openai.OpenAI(
        base_url=f"{endpoint}/v1", api_key=key, max_retries=0, timeout=WAIT_S
    ) as client:
        until(lambda: takes_the_key(client))
        yield client


def takes_the_key(client):
    try:
        client.models.list()
    except openai.AuthenticationError:
        return False
    return True


def until(holds):
    ends = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends, "it never came about"
        time.sleep(0.1)


def ask(client):
    messages = [{"role": "user", "content": "a red circle"}]
    return client.chat.completions.create(model="palo", messages=messages, max_tokens=4)


def status_of(client):
    return client.get("/status", cast_to=httpx.Response).json()


def served(client):
    return [one["run"] for one in status_of(client)["models"]]


def finish(store, name, stage, change=None, description=None):
    """Puts a finished run into the store; its description comes last, as a training writes it."""
    run = store / "runs" / name
    shutil.copytree(stage.parent, run, ignore=lambda *_: [stage.name])
    shutil.copytree(stage, run / "finetune", ignore=lambda *_: ["model.json"])
    if change is not None:
        change(run / "finetune")
    text = description or (stage / "model.json").read_text()
    (run / "finetune" / "model.tmp").write_text(text)
    (run / "finetune" / "model.tmp").rename(run / "finetune" / "model.json")


def weigh_otherwise(folder):
    from safetensors.torch import load_file, save_file

    file = folder / "projector.safetensors"
    save_file({name: 2 * value for name, value in load_file(file).items()}, file)


@contextmanager
def asking(client):
    """Asks without a pause, in two threads; gives the versions that answered, and the failures."""
    versions, failures, is_over = [], [], threading.Event()

    def go_on():
        while not is_over.is_set():
            try:
                versions.append(ask(client).system_fingerprint)
            except openai.OpenAIError as error:
                failures.append(error)

    threads = [threading.Thread(target=go_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield versions, failures
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def applications():
    from ray import serve

    return set(serve.status().applications)


def test_without_a_model_it_says_so_and_how_to_get_one(client):
    assert client.models.list().data == []
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (503, "no_model")
    assert int(caught.value.response.headers["Retry-After"]) > 0
    assert "python jobs/submit.py -- python jobs/finetune.py" in caught.value.message
    assert status_of(client)["models"] == []
    assert applications() == {_APP}


def test_it_serves_what_is_finished_and_replaces_it_without_a_failure(
    client, store, finished_stage
):
    finish(store, "first", finished_stage)
    until(lambda: served(client) == ["first"])
    assert [model.id for model in client.models.list()] == ["palo"]
    old = ask(client).system_fingerprint
    before = applications()
    with asking(client) as (versions, failures):
        finish(store, "second", finished_stage, weigh_otherwise)
        until(lambda: served(client) == ["second"])
        until(lambda: versions[-1] != old)
        until(lambda: not (before - {_APP}) & applications())
        count = len(versions)
        until(lambda: len(versions) > count + 10)
    assert failures == []
    new = versions[-1]
    assert set(versions) == {old, new}
    assert set(versions[count:]) == {new}


def test_a_broken_run_is_told_and_changes_nothing(client, store, finished_stage):
    finish(store, "broken", finished_stage, description='{"version": 99}')
    until(lambda: status_of(client)["refused"])
    (refused,) = status_of(client)["refused"]
    assert refused["run"] == "broken"
    assert "another version" in refused["reason"]
    assert served(client) == ["second"]
    assert ask(client).choices


def test_the_models_go_with_the_endpoint(client):
    from ray import serve

    assert len(applications()) == 2
    serve.delete(_APP)
    until(lambda: applications() == set())
