"""A model of another server behind Ray Serve, with the endpoint's own keys."""

import openai
import pytest
from jobs.bench.ray_head import free_ports
from tests.abuse.endpoints import Played, app_of, handler_of, keyed
from tests.fixtures.browser_pages import served

pytestmark = pytest.mark.ray


@pytest.fixture
def behind(tmp_path):
    """Address of the server behind, which asks for no key."""
    handler = handler_of(Played(), tmp_path / "unused.json", no_keys=True)
    with served(lambda app: app.mount("/", app_of(handler))) as url:
        yield url


def test_an_endpoint_without_models_of_its_own_passes_requests_on(local_ray, behind, tmp_path):
    from ray import serve

    from palo.security.access import AccessSettings
    from palo.serve.application import application
    from palo.serve.running import run_application
    from palo.serve.settings import ServeSettings
    from palo.serve.upstream import UpstreamSource

    key_file = tmp_path / "keys.json"
    secret = keyed(key_file)
    settings = ServeSettings(
        models=(),
        upstreams=(UpstreamSource(name="other", url=behind, model="palo"),),
        access=AccessSettings(key_file=key_file),
    )
    (port,) = free_ports(1)
    run_application(application(settings), "127.0.0.1", port)
    try:
        question = [{"role": "user", "content": "?"}]
        address = f"http://127.0.0.1:{port}/v1"
        with openai.OpenAI(base_url=address, api_key=secret, max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["other"]
            answer = client.chat.completions.create(model="other", messages=question)
            assert answer.choices[0].message.content == "একটি বৃত্ত"
            with client.chat.completions.create(
                model="other", messages=question, stream=True
            ) as stream:
                texts = [one.choices[0].delta.content for one in stream if one.choices]
            assert "".join(filter(None, texts)) == "একটি বৃত্ত"
        stranger = openai.OpenAI(base_url=address, api_key="sk-wrong", max_retries=0)
        with stranger, pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model="other", messages=question)
    finally:
        serve.shutdown()
