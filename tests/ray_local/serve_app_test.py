"""The endpoint as clients meet it: OpenAI's own package against a running Serve application."""

import asyncio
import base64
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import httpx
import openai
import psutil
import pytest

pytestmark = pytest.mark.ray

WAIT_S = 240.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def endpoint(local_ray, finished_stage, tmp_path_factory):
    """Address and key of an endpoint with a page, and one model on one replica of two slots."""
    from ray import serve

    from palo.client import Endpoint
    from palo.inference.engine import EngineSettings
    from palo.security.access import AccessSettings
    from palo.security.keys import add_key
    from palo.serve.application import application
    from palo.serve.chat_page.settings import PageSettings
    from palo.serve.page_server import page_application
    from palo.serve.running import PAGE_PATH, run_application, run_page
    from palo.serve.settings import ModelSource, ReplicaSettings, ServeSettings

    key_file = tmp_path_factory.mktemp("keys") / "keys.json"
    secret, _ = add_key(key_file, "tests")
    engine = EngineSettings(num_slots=2, max_context=240, max_waiting=30)
    settings = ServeSettings(
        models=(ModelSource(name="palo", folder=finished_stage),),
        access=AccessSettings(key_file=key_file),
        replica=ReplicaSettings(engine=engine),
        # However long a busy machine takes to start another replica, answers wait for it.
        restart_wait_s=WAIT_S,
        page_path=PAGE_PATH,
    )
    port = _free_port()
    run_application(application(settings), "127.0.0.1", port)
    page = PageSettings(
        endpoint=Endpoint(url=f"http://127.0.0.1:{port}"),
        login=True,
        feedback=key_file.parent / "feedback",
    )
    run_page(page_application(page))
    yield f"http://127.0.0.1:{port}/v1", secret
    serve.shutdown()


@pytest.fixture
def client(endpoint):
    address, secret = endpoint
    with openai.OpenAI(base_url=address, api_key=secret, max_retries=0, timeout=WAIT_S) as client:
        yield client


def ask(client, text="a red circle", *images, **values):
    content = [{"type": "text", "text": text}]
    for path in images:
        data = base64.b64encode(path.read_bytes()).decode()
        url = {"url": f"data:image/png;base64,{data}"}
        content.append({"type": "image_url", "image_url": url})
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(model="palo", messages=messages, **values)


def replica():
    from ray import serve

    return serve.get_deployment_handle("model-palo", "palo")


@contextmanager
def crowd(client):
    """So many long answers that whoever asks next waits for a while, however fast the machine is.

    At this temperature words are all but drawn by lot: an answer hardly ends by itself.
    """
    with ExitStack() as streams:
        for seed in range(3):
            stream = ask(client, max_tokens=200, n=8, temperature=2, seed=seed, stream=True)
            streams.enter_context(stream)
        yield


def until(holds):
    ends = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends, "it never came about"
        time.sleep(0.05)


def test_models(client):
    assert [model.id for model in client.models.list()] == ["palo"]
    assert client.models.retrieve("palo").object == "model"


def test_a_question_and_the_next(client):
    first = ask(client, max_tokens=6, extra_body={"language": "ur"})
    assert first.choices[0].finish_reason in ("stop", "length")
    assert 1 <= first.usage.completion_tokens <= 6
    raw = client.chat.completions.with_raw_response.create(
        model="palo",
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Что это?"},
            {"role": "assistant", "content": first.choices[0].message.content},
            {"role": "user", "content": "А это что такое?"},
        ],
        max_completion_tokens=4,
        extra_body={"top_k": 3, "language": "bn"},
    )
    assert raw.headers["x-palo-language"] == "ru"
    assert raw.headers["x-request-id"]
    assert "," not in raw.headers["x-request-id"]
    assert raw.parse().system_fingerprint.startswith("fp_")


def test_an_image_is_part_of_the_prompt_with_its_tokens(client, image_files, trained):
    from palo.text.encoding import encode_prompt, expand_sentinels
    from palo.text.messages import Conversation, Turn

    answer = ask(client, "a red circle", image_files[0], image_files[1], max_tokens=3)
    conversation = Conversation((Turn("user", "a red circle", 2),))
    ids = encode_prompt(conversation, trained.template, trained.tokenizer)
    assert answer.usage.prompt_tokens == len(expand_sentinels(ids, 16))
    again = ask(client, "a red circle", image_files[0], image_files[1], max_tokens=3)
    assert again.usage.prompt_tokens_details.cached_tokens > 16
    assert again.choices[0].message.content == answer.choices[0].message.content


def test_a_stream_says_what_a_whole_answer_says(client, image_files):
    wanted = {"max_tokens": 20, "temperature": 0.8, "seed": 3, "n": 2}
    whole = ask(client, "two", image_files[0], **wanted)
    options = {"include_usage": True}
    texts, usage = ["", ""], None
    for chunk in ask(client, "two", image_files[0], stream=True, stream_options=options, **wanted):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [choice.message.content for choice in whole.choices]
    assert usage.total_tokens == whole.usage.total_tokens


def test_logprobs(client):
    answer = ask(client, max_tokens=3, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == answer.usage.completion_tokens
    assert all(len(token.top_logprobs) == 2 for token in tokens)


@pytest.mark.parametrize(
    ("values", "error", "code"),
    [
        ({"temperature": 9}, openai.BadRequestError, "invalid_request"),
        ({"text": "x" * 2000}, openai.BadRequestError, "context_length_exceeded"),
        ({"extra_body": {"model": "other"}}, openai.NotFoundError, "model_not_found"),
    ],
)
def test_errors_are_those_that_the_package_knows(client, values, error, code):
    with pytest.raises(error) as caught:
        ask(client, **values)
    assert caught.value.code == code
    assert caught.value.body["request_id"] == caught.value.request_id


def test_without_a_key_there_is_no_answer(endpoint):
    with (
        openai.OpenAI(base_url=endpoint[0], api_key="sk-wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        ask(stranger)


def test_a_client_that_leaves_frees_its_slots(client):
    before = replica().stats.remote().result().num_finished.get("cancelled", 0)
    impatient = client.with_options(timeout=httpx.Timeout(WAIT_S, read=0.05))
    with crowd(client), pytest.raises(openai.APITimeoutError):
        ask(impatient, max_tokens=200)

    def is_idle():
        stats = replica().stats.remote().result()
        return not (stats.num_running or stats.num_waiting)

    until(is_idle)
    assert replica().stats.remote().result().num_finished["cancelled"] > before


def is_served():
    """Whether the controller knows of a replica that runs."""
    from palo.serve.replica_watch import ServeWatch

    return asyncio.run(ServeWatch({"palo": "model-palo"}).is_served("palo"))


def test_answers_of_a_killed_replica_go_on_in_the_next_one(client):
    wanted = {"max_tokens": 200, "n": 8, "temperature": 2, "seed": 3}
    unbroken = [choice.message.content for choice in ask(client, **wanted).choices]
    process_id = replica().process_id.remote().result()
    assert is_served()
    texts, whole = [""] * 8, None
    with ThreadPoolExecutor(1) as other:
        for chunk in ask(client, stream=True, **wanted):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
            if whole is None and any(texts):
                whole = other.submit(ask, client, max_tokens=4)
                os.kill(process_id, signal.SIGKILL)
                until(lambda: not is_served())
        assert whole.result().choices[0].finish_reason in ("stop", "length")
    assert texts == unbroken
    assert replica().process_id.remote().result() != process_id


@pytest.fixture
def browser(endpoint):
    address, _ = endpoint
    url = address.removesuffix("/v1")
    with httpx.Client(base_url=url, timeout=WAIT_S, follow_redirects=True) as browser:
        yield browser


def process_of(name):
    """Returns the process of a deployment's only replica, whatever method of it runs."""
    (process,) = [
        each
        for each in psutil.Process().children(recursive=True)
        if each.name().partition(".")[0] == f"ray::ServeReplica:{name}"
    ]
    return process


def test_the_page_lies_below_its_path_and_takes_the_endpoints_keys(endpoint, browser):
    asked = browser.get("/")
    assert str(asked.url).endswith("/chat/login")
    assert str(browser.get("/chat").url).endswith("/chat/login")
    assert browser.get("/chat/config").status_code == 401
    entered = browser.post("/chat/login", data={"key": endpoint[1]})
    assert (str(entered.url).endswith("/chat/"), entered.status_code) == (True, 200)
    root = str(browser.base_url.join("/chat"))
    assert browser.get("/chat/config").json()["root"] == root
    assert browser.get("/chat/theme.css").status_code == 200
    joined = browser.post(
        "/chat/gradio_api/upload", files={"files": ("a.png", b"\x89PNG\r\n\x1a\n")}
    )
    (path,) = joined.json()
    assert browser.get(f"/chat/gradio_api/file={path}").status_code == 200
    assert browser.get("/healthz").json() == {"status": "ok"}


def test_a_page_that_hangs_or_dies_takes_no_answer_with_it(client, browser):
    process = process_of("page:page")
    assert process.nice() == min(process_of("palo:ingress").nice() + 10, 19)
    process.suspend()
    try:
        assert ask(client, max_tokens=3).usage.completion_tokens
        assert browser.get("/healthz").status_code == 200
    finally:
        process.kill()
    assert ask(client, max_tokens=3).usage.completion_tokens
    until(lambda: browser.get("/chat/login").status_code == 200)
    assert process_of("page:page").pid != process.pid


def test_the_end_waits_for_answers_that_have_begun_and_says_nothing(endpoint, client, capfd):
    import ray
    from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

    from palo.serve.running import end_applications

    stream = ask(client, max_tokens=100, n=8, temperature=2, seed=3, stream=True)
    next(chunk for chunk in stream if chunk.choices[0].delta.content)
    with ThreadPoolExecutor(1) as other:
        ending = other.submit(end_applications, WAIT_S)
        finishes = [choice.finish_reason for chunk in stream for choice in chunk.choices]
        ending.result()
    assert sum(finish is not None for finish in finishes) == 8

    def is_over():
        try:
            ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        except ValueError:
            return True
        return False

    def is_silent():
        with suppress(openai.APIStatusError):  # the proxy outlives the controller for a moment
            with pytest.raises(openai.APIConnectionError):
                client.models.list()
            return True
        return False

    until(is_over)
    until(is_silent)
    assert "graceful_shutdown" not in "".join(capfd.readouterr())
