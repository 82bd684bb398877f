"""A cluster that has just come up: its endpoint idles, and serves what a training finishes.

It is deployed as `ray up` does, by `cluster/start_serving.py` on a head with a token. Clients ask
all the time while one run replaces another: no request fails.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import openai
import pytest
import yaml
from jobs.bench.ray_head import free_ports, ray_head
from tests.conftest import ROOT

from palo import storage
from palo.checkpoint.lineage_id import lineage_id
from palo.recipes import RECIPES
from palo.reproduce.answers import read_answers
from palo.reproduce.deployment import deploy
from palo.reproduce.settings import DeploySettings
from palo.reproduce.steps import export_folder
from palo.scenes.corpus import SceneCorpusConfig, write_scenes

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

_WAIT_S = 240.0
_PAUSE_S = 0.01  # without it, clients take the CPUs that new replicas need to start
_ENDPOINT, _PAGE = "palo", "page"
_LABELS = {"palo-role": "serve"}


class Head:
    """A head, as whoever is logged in there sees it.

    Attributes:
        store: Its store.
        url: Address of the endpoint.
        values: What its Serve file holds.
    """

    def __init__(self, folder, environment, dashboard, port):
        self.store = folder / "store"
        self.url = f"http://127.0.0.1:{port}"
        self.values = yaml.safe_load((ROOT / "cluster" / "local_serve.yaml").read_text())
        self.values["http_options"]["port"] = port
        endpoint, page = self.values["applications"]
        endpoint["args"]["follow"]["look_every_s"] = 0.5
        endpoint["args"]["replica"]["engine"] |= {"num_slots": 4, "max_context": 240}
        endpoint["args"]["scale"] |= {"drain_s": 30.0, "node_labels": _LABELS}
        page["args"]["endpoint"]["url"] = self.url
        self._environment = environment
        self._dashboard = dashboard
        self._file = folder / "palo" / "cluster" / "serve.yaml"
        self._file.parent.mkdir(parents=True)

    def deploy(self, values):
        """Deploys applications as `ray up` does; returns what it says."""
        self._file.write_text(yaml.safe_dump(values))
        script = str(ROOT / "cluster" / "start_serving.py")
        command = [sys.executable, script, "--file", str(self._file)]
        told = subprocess.run(
            [*command, "--dashboard", self._dashboard],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout

    def applications(self):
        """Returns the states of all that Ray Serve runs, or is deleting, by name."""
        token = self._environment["RAY_AUTH_TOKEN"]
        headers = {"authorization": f"Bearer {token}"}
        address = f"{self._dashboard}/api/serve/applications/"
        found = httpx.get(address, headers=headers, timeout=60.0).json()["applications"]
        return {name: one["status"] for name, one in found.items()}

    def models(self):
        """Returns the names of applications that are models."""
        return self.applications().keys() - {_ENDPOINT, _PAGE}

    def is_warm(self, model):
        """Whether an application is ready for requests."""
        return self.applications().get(model) == "RUNNING"


@pytest.fixture(scope="module")
def head():
    """A head whose endpoint was deployed before there was a model or a key."""
    with tempfile.TemporaryDirectory(prefix="palo-serve-") as name:
        folder, (dashboard, port) = Path(name), free_ports(2)
        options = ["--num-cpus=4", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
        options += [f"--labels={label}={value}" for label, value in _LABELS.items()]
        own = {
            "PALO_STORE": str(folder / "store"),
            # How often Ray Serve starts a broken replica before it says so; three times by itself.
            "RAY_SERVE_MAX_PER_REPLICA_RETRY_COUNT": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform")]),
        }
        with ray_head(folder, options, own) as environment:
            address = f"http://127.0.0.1:{dashboard}"
            head = Head(folder, environment | own, address, port)
            told = head.deploy(head.values)
            assert f"{head.url}/v1" in told
            assert "first key" in told
            yield head


@pytest.fixture(scope="module")
def key(head):
    """A key that was made after the endpoint had started."""
    from palo.security.keys import KeyLimits, add_key

    with httpx.Client(base_url=head.url) as anybody:
        assert anybody.get("/healthz").status_code == 200
        assert anybody.get("/v1/models").status_code == 401
        assert anybody.get("/chat/login").status_code == 200
    endless = KeyLimits(requests_per_minute=None, tokens_per_minute=None, concurrent=None)
    return add_key(head.store / "keys.json", "tests", endless)[0]


@pytest.fixture
def client(head, key):
    with openai.OpenAI(
        base_url=f"{head.url}/v1", api_key=key, max_retries=0, timeout=_WAIT_S
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
    ends = time.monotonic() + _WAIT_S
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
    """Asks all the time, in two threads; gives the versions that answered, and the failures."""
    versions, failures, is_over = [], [], threading.Event()

    def go_on():
        while not is_over.wait(_PAUSE_S):
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


def test_without_a_model_it_says_so_and_how_to_get_one(client, head):
    assert client.models.list().data == []
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (503, "no_model")
    assert int(caught.value.response.headers["Retry-After"]) > 0
    assert "python jobs/submit.py -- python jobs/finetune.py" in caught.value.message
    assert status_of(client)["models"] == []
    assert head.applications().keys() == {_ENDPOINT, _PAGE}


def test_it_serves_what_is_finished_and_replaces_it_without_a_failure(client, head, finished_stage):
    finish(head.store, "first", finished_stage)
    until(lambda: served(client) == ["first"])
    assert [model.id for model in client.models.list()] == ["palo"]
    old, before = ask(client).system_fingerprint, head.models()
    with asking(client) as (versions, failures):
        finish(head.store, "second", finished_stage, weigh_otherwise)
        until(lambda: served(client) == ["second"])
        until(lambda: versions[-1] != old)
        until(lambda: not before & head.models())
        count = len(versions)
        until(lambda: len(versions) > count + 10)
    assert failures == []
    assert set(versions[:count]) == {old, versions[-1]}
    assert set(versions[count:]) == {versions[-1]}


def test_a_reproduced_run_is_known_there_by_its_lineage(client, head, key, monkeypatch):
    """Regression: the last step waited for the run's name; here the newest run is named palo."""
    run = head.store / "runs" / "second"
    drawn = SceneCorpusConfig(num_train_scenes=1, num_records_per_scene=1, num_heldout_scenes=1)
    write_scenes(run / "scenes", drawn)
    recipe = replace(RECIPES["nano"](), output=run, scenes=drawn)
    lineage = lineage_id(run / "finetune")
    record = {"exported_from": str(run / "finetune"), "id": lineage}
    storage.write_json(storage.ensure_folder(export_folder(recipe)) / "lineage.json", record)
    monkeypatch.setenv("PALO_API_KEY", key)
    asked = DeploySettings(endpoint=head.url, wait_s=_WAIT_S, languages=("en", "ar"))
    deploy(recipe, asked, ROOT / "jobs" / "serve.py")
    answers = read_answers(run)
    assert (answers.endpoint, answers.lineage_id) == (head.url, lineage)
    assert [one.asked.language for one in answers.answers] == ["en", "ar"]
    assert [model.lineage for model in client.models.list()] == [lineage]


def test_other_settings_are_deployed_without_a_failure(client, head):
    before = head.models()
    head.values["applications"][0]["args"]["replica"]["engine"]["num_slots"] = 2
    with asking(client) as (versions, failures):
        head.deploy(head.values)
        until(lambda: any(map(head.is_warm, head.models() - before)))
        count = len(versions)
        until(lambda: len(versions) > count + 10)
    assert failures == []
    assert served(client) == ["second"]


def damage(folder):
    (folder / "projector.safetensors").write_bytes(b"nothing")


def test_broken_runs_are_told_and_change_nothing(client, head, finished_stage):
    finish(head.store, "foreign", finished_stage, description='{"version": 99}')
    until(lambda: status_of(client)["refused"])
    finish(head.store, "damaged", finished_stage, damage)
    until(lambda: len(status_of(client)["refused"]) == 2)
    reasons = {one["run"]: one["reason"] for one in status_of(client)["refused"]}
    assert "another version" in reasons["foreign"]
    assert "projector.safetensors is damaged" in reasons["damaged"]
    assert served(client) == ["second"]
    assert ask(client).choices


def test_the_models_go_with_the_endpoint(head):
    assert head.models()
    page_alone = [one for one in head.values["applications"] if one["name"] == _PAGE]
    head.deploy(head.values | {"applications": page_alone})
    until(lambda: head.applications().keys() == {_PAGE})
