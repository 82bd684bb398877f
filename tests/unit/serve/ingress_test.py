"""Every path and method has its status, and an OpenAI body that leads to the right one."""

import openai
import pytest
from starlette.testclient import TestClient
from tests.abuse.endpoints import Played, app_of, client_of, handler_of, keyed

CHAT = "/v1/chat/completions"
QUESTION = {"model": "palo", "messages": [{"role": "user", "content": "?"}]}


@pytest.fixture
def client(tmp_path):
    key_file = tmp_path / "keys.json"
    secret = keyed(key_file)
    return client_of(app_of(handler_of(Played(), key_file)), secret)


@pytest.fixture(params=["key", "no key"])
def anybody(request, client):
    """A client with a key, and one without."""
    if request.param == "no key":
        del client.headers["Authorization"]
    return client


def error_of(response, status, code):
    """Returns the error of a response with a status and a code."""
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["type"] == "invalid_request_error"
    assert error["request_id"] == response.headers["x-request-id"]
    return error


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/completions", "message to /v1/chat/completions"),
        ("/v1/embeddings", "embeddings aren't served"),
        ("/v1/images/generations", "aren't drawn here"),
        ("/v1/audio/speech", "speech isn't served"),
        ("/v1/files", "data: URLs"),
        ("/v1/responses/resp_1", "aren't stored"),
        ("/v1/chat/completions/chatcmpl-1", "aren't stored"),
        ("/v1/messages", "Anthropic"),
        ("/chat/completions", "ends in /v1"),
        ("/models", "ends in /v1"),
        ("/embeddings", "ends in /v1"),
        ("/responses", "ends in /v1"),
        ("/v1/v1/models", "a part twice"),
        ("/v1/chat/completions/chat/completions", "a part twice"),
        ("/v1/chat/completions/models", "a part twice"),
        ("/v1", "There are "),
        ("/v1/", "There are "),
        ("/v1/nothing", "There are "),
        ("/", "There are "),
        ("/favicon.ico", "There are "),
        ("/docs", "There are "),
    ],
)
def test_an_unknown_path_is_a_404_in_words(anybody, method, path, told):
    error = error_of(anybody.request(method, path), 404, "unknown_path")
    assert told in error["message"]
    assert f"{method} {path.rstrip('/')}"[:20] in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", CHAT, {"POST"}),
        ("PATCH", CHAT, {"POST"}),
        ("OPTIONS", CHAT, {"POST"}),
        ("DELETE", CHAT, {"POST"}),
        ("GET", CHAT + "/", {"POST"}),
        ("GET", "/v1/responses", {"POST"}),
        ("POST", "/v1/models", {"GET", "HEAD"}),
        ("DELETE", "/v1/models/palo", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("PUT", "/metrics", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(anybody, method, path, allow):
    response = anybody.request(method, path)
    error = error_of(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allow
    assert all(each in error["message"] for each in allow)
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/palo", "/metrics", "/health"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("end", ["", "/"])
def test_what_can_be_read_has_a_head_and_may_end_in_a_slash(client, path, method, end):
    assert client.request(method, path + end, follow_redirects=False).status_code == 200


def test_a_question_may_be_sent_to_a_path_that_ends_in_a_slash(client):
    assert client.post(CHAT + "/", json=QUESTION, follow_redirects=False).status_code == 200


def test_health_is_everybodys(anybody):
    for path in ("/health", "/healthz"):
        assert anybody.get(path).json() == {"status": "ok"}


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic eDp5", "Bearer", ""])
def test_a_401_says_how_to_authenticate(client, authorization):
    del client.headers["Authorization"]
    headers = {} if authorization is None else {"authorization": authorization}
    for response in (client.get("/v1/models", headers=headers), client.post(CHAT, headers=headers)):
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
        assert response.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"content-type": "text/plain"}, "text/plain"),
        ({"content-type": "application/x-www-form-urlencoded"}, "Content-Type: application/json"),
        ({"content-type": "multipart/form-data; boundary=x"}, "multipart/form-data"),
        ({"content-encoding": "gzip"}, "without Content-Encoding"),
    ],
)
def test_another_type_of_body_is_a_415(client, headers, told):
    response = client.post(CHAT, content=b"{}", headers=headers)
    assert told in error_of(response, 415, "unsupported_media_type")["message"]


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_known_by_any_spelling(client, content_type):
    response = client.post(
        CHAT,
        content=b'{"model": "palo", "messages": [{"role": "user", "content": "?"}]}',
        headers={"content-type": content_type, "content-encoding": "identity"},
    )
    assert response.status_code == 200


@pytest.fixture
def sdk(client):
    """Returns clients of OpenAI's own library with another base URL or key."""

    def make(base="http://127.0.0.1:8000/v1", key=client.headers["Authorization"][7:]):
        return openai.OpenAI(base_url=base, api_key=key, http_client=client, max_retries=0)

    return make


def test_openais_client_raises_the_class_of_each_status(sdk):
    client, ask = sdk(), QUESTION
    with pytest.raises(openai.AuthenticationError, match="isn't known"):
        sdk(key="wrong").models.list()
    with pytest.raises(openai.NotFoundError, match="ends in /v1"):
        sdk(base="http://127.0.0.1:8000").chat.completions.create(**ask)
    with pytest.raises(openai.NotFoundError, match="no such model") as caught:
        client.chat.completions.create(**{**ask, "model": "other"})
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="plain text"):
        client.completions.create(model="palo", prompt="Once")
    with pytest.raises(openai.NotFoundError, match="embeddings aren't"):
        client.embeddings.create(model="palo", input="text")
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ask, tools=[{"type": "function"}])
    assert caught.value.param == "tools"
    long = [{"role": "user", "content": "x" * 250_000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="palo", messages=long)
    assert caught.value.code == "context_length_exceeded"


def test_without_keys_the_root_is_the_pages_and_no_api_path_is(tmp_path):
    from palo.serve.ingress import IngressSettings, build_app

    handler = handler_of(Played(), tmp_path / "keys.json", no_keys=True)
    app = build_app(handler, IngressSettings(page_path="/chat/"))
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as browser:
        assert browser.get("/").headers["location"] == "/chat/"
        assert browser.post("/").status_code == 405
        assert browser.get("/v1/completions").status_code == 404


def test_all_of_it_may_be_below_a_path(tmp_path):
    from palo.security.forwarded import ProxySettings
    from palo.serve.ingress import IngressSettings, build_app

    key_file = tmp_path / "keys.json"
    secret = keyed(key_file)
    proxy = ProxySettings(public_url="https://example.org/palo")
    settings = IngressSettings(page_path="/chat/", proxy=proxy)
    client = client_of(build_app(handler_of(Played(), key_file), settings), secret)
    for prefix in ("", "/palo"):
        assert client.get(f"{prefix}/v1/models/").status_code == 200
        assert client.post(prefix + CHAT, json=QUESTION).status_code == 200
        root = client.get(f"{prefix}/", follow_redirects=False)
        assert root.headers["location"] == "/palo/chat/"
    assert client.get("/other/v1/models").status_code == 404


def test_models_have_the_ids_of_their_lineages_for_any_client(tmp_path):
    from palo.serve.ingress import IngressSettings, build_app

    secret = keyed(tmp_path / "keys.json")
    handler = handler_of(Played(), tmp_path / "keys.json")
    settings = IngressSettings(lineages={"palo": "palo-0123456789ab"})
    http = client_of(build_app(handler, settings), secret)
    assert http.get("/v1/models/palo").json()["lineage"] == "palo-0123456789ab"
    client = openai.OpenAI(base_url="http://testserver/v1", api_key=secret, http_client=http)
    (model,) = client.models.list().data
    assert (model.id, model.lineage) == ("palo", "palo-0123456789ab")
    http = client_of(build_app(handler, IngressSettings()), secret)
    assert "lineage" not in http.get("/v1/models").json()["data"][0]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_before_there_is_a_model_it_says_how_to_get_one(tmp_path, path):
    secret = keyed(tmp_path / "keys.json")
    models = {}
    client = client_of(app_of(handler_of(Played(), tmp_path / "keys.json", models.keys())), secret)
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/models").json() == {"object": "list", "data": []}
    question = QUESTION if path == CHAT else {"model": "palo", "input": "?"}
    answer = client.post(path, json=question)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (503, "no_model", "server_error")
    assert "Train one: make a-model." in error["message"]
    assert int(answer.headers["retry-after"]) == 60
    models["palo"] = "is there now"
    assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["palo"]
    assert client.post(path, json=question).status_code == 200
    exposed = client.get("/metrics").text
    assert 'model="palo"' in exposed


def test_only_an_endpoint_that_follows_runs_has_a_status_and_it_asks_for_a_key(tmp_path):
    from palo.serve.ingress import IngressSettings, build_app
    from palo.serve.served_runs import ServedRun, ServedRuns

    secret = keyed(tmp_path / "keys.json")
    handler = handler_of(Played(), tmp_path / "keys.json")
    told = ServedRuns(served=(ServedRun(model="palo", run="a", app="x"),), fault="away")
    client = client_of(build_app(handler, IngressSettings(status=told.body)), secret)
    assert client.get("/v1/status").json() == told.body()
    assert told.body()["error"] == "away"
    del client.headers["Authorization"]
    assert client.get("/v1/status").status_code == 401
    assert client_of(app_of(handler), secret).get("/v1/status").status_code == 404
