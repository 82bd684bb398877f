"""Many askers share connections, and nothing else."""

import asyncio
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from palo.client import Endpoint
from palo.client.connections import SharedConnections


@pytest.fixture
def server():
    """A server that sets a cookie; gives its address, and notes peers and headers."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format, *args):
            pass

        def do_GET(self):
            seen.append((self.client_address, dict(self.headers)))
            body = b'{"object": "list", "data": [{"id": "m"}]}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Set-Cookie", "session=of-the-first; Path=/")
            self.end_headers()
            self.wfile.write(body)

    class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", seen
        running.shutdown()
        thread.join()


def test_a_connection_serves_several_askers_each_with_their_key_and_no_cookie(server):
    url, seen = server

    async def ask():
        connections = SharedConnections()
        for key in ("sk-one", "sk-two", None):
            async with connections.client(Endpoint(url=url, api_key=key)) as client:
                assert await client.models() == ["m"]

    asyncio.run(ask())
    assert len({peer for peer, _ in seen}) == 1, "each question had a connection of its own"
    sent = [headers.get("Authorization") for _, headers in seen]
    assert sent == ["Bearer sk-one", "Bearer sk-two", None]
    assert not [headers for _, headers in seen if "Cookie" in headers]
