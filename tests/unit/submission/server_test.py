"""Job servers that refuse, that are none, and that come up late."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import ray
from jobs.bench.ray_head import free_ports

from palo.errors import ConfigError, DataError, MismatchError, ResourceError
from palo.submission import server as server_module
from palo.submission.server import ADDRESS, ask, connect, understood


class _Server:
    """Answers every request alike, and remembers what it was asked."""

    def __init__(self, status, body, port=0):
        server = self
        self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append((self.path, self.headers.get("Authorization")))
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve():
    servers = []

    def make(status, body, port=0):
        servers.append(_Server(status, body, port))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    monkeypatch.setenv(ADDRESS, "")


def _version(version=ray.__version__):
    return json.dumps({"version": "4", "ray_version": version, "ray_commit": "x"})


def test_a_server_of_the_same_ray_is_taken(serve):
    server = serve(200, _version())
    assert connect(server.address, 0.0, print).get_version() == "4"


def test_another_ray_is_told_with_both_versions(serve):
    server = serve(200, _version("2.40.0"))
    with pytest.raises(MismatchError, match=f"2.40.0 at .*, {ray.__version__} here"):
        connect(server.address, 0.0, print)


def test_a_missing_token_and_a_wrong_one_are_two_errors(serve):
    with pytest.raises(ConfigError, match="asks for a token, and none was sent"):
        connect(serve(401, "no token").address, 0.0, print)
    with pytest.raises(ConfigError, match="refuses the token"):
        connect(serve(403, "wrong token").address, 0.0, print)


@pytest.mark.parametrize(("status", "body"), [(200, "<html>"), (500, "no"), (200, "{}")])
def test_another_program_behind_the_address_is_told(serve, status, body):
    with pytest.raises(ConfigError, match="no job server of Ray"):
        connect(serve(status, body).address, 0.0, print)


def test_an_address_of_another_kind_is_told():
    with pytest.raises(ConfigError, match="6379 is another port"):
        connect("127.0.0.1:6379", 0.0, print)


def test_a_server_that_does_not_answer_is_waited_for(serve):
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    with pytest.raises(ResourceError, match=r"no job server answers.*ray dashboard"):
        connect(address, 0.0, print)
    said = []
    timer = threading.Timer(1.0, lambda: serve(200, _version(), port))
    timer.start()
    connect(address, 30.0, said.append)
    assert said == [f"waiting for the job server at {address}, up to 30 s"]


def test_what_the_server_does_not_know_or_do_is_told():
    with pytest.raises(DataError, match="doesn't know that"), understood("x"):
        raise RuntimeError("Request failed with status code 404: Job x does not exist.")
    with pytest.raises(ResourceError, match="refuses: Request failed"), understood("x"):
        raise RuntimeError("Request failed with status code 500: \n no space")


def test_a_head_whose_agent_stays_away_is_told_with_its_port(monkeypatch):
    monkeypatch.setattr(server_module, "_START_S", 0.0)

    def submit():
        raise RuntimeError("Request failed with status code 500: No available agent to submit job")

    with pytest.raises(ResourceError, match="--dashboard-agent-listen-port"):
        ask("http://127.0.0.1:1", submit, 0.0, "Try again.")
