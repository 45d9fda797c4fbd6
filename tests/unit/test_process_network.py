"""What probes ask over the network: good and bad answers, redirects, headers, TLS, and nobody there."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from podledger_adapters.nodes.process.shim.http_get import get
from podledger_adapters.nodes.process.shim.network import connect
from podledger_adapters.nodes.process.shim.pod_spec import Action
from podledger_adapters.server.certificates import server_certificates


class Answers(BaseHTTPRequestHandler):
    """Answers as the path says: /200, /301/TARGET, /loop, /close, /headers."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "close":
            self.connection.close()
            return
        self.paths.append(self.path)
        self.twice.append(len(self.headers.get_all("X-Twice") or ()))
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(302 if kind == "loop" else int(kind.partition("?")[0]))
        if kind == "loop":
            self.send_header("Location", "/loop")
        elif rest:
            self.send_header("Location", rest)
        self.send_header("Content-Length", "0")
        self.end_headers()

    seen: ClassVar[list[dict[str, str]]] = []
    paths: ClassVar[list[str]] = []
    twice: ClassVar[list[int]] = []

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    Answers.seen, Answers.paths, Answers.twice = [], [], []
    with serving() as server:
        yield server


class serving:
    """A server while inside; its port."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> int:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self._server.server_port

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def action(port: int, path: str = "/", **fields: Any) -> Action:
    made: Action = {
        "kind": "http",
        "argv": [],
        "scheme": "HTTP",
        "host": "127.0.0.1",
        "port": port,
        "path": path,
        "headers": [],
        "any_status": False,
        "seconds": 0.0,
    }
    return {**made, **fields}  # type: ignore[typeddict-item]  # fields are those of the dict


@pytest.mark.parametrize("code", [200, 204, 300, 399, 400, 404, 503])
def test_from_200_to_399_is_good(port: int, code: int) -> None:
    bad = (False, f"HTTP probe failed with statuscode: {code}")
    assert get(action(port, f"/{code}")) == ((True, "") if code < 400 else bad)
    assert get(action(port, f"/{code}", any_status=True)) == (True, "")


def test_redirects_are_followed_on_the_same_host(port: int) -> None:
    assert get(action(port, "/301//404"))[0] is False
    assert get(action(port, "/301//200"))[0] is True
    assert get(action(port, "/307/http://other.example.com/404")) == (True, "")
    good, why = get(action(port, "/loop"))
    assert (good, why) == (False, f'Get "http://127.0.0.1:{port}/loop": stopped after 10 redirects')


def test_the_headers_are_a_kubelets_and_those_given(port: int) -> None:
    get(action(port, "200?a=b"))
    get(action(port, "/200", headers=[["Host", "example.com"], ["Accept", ""], ["X-Given", "yes"]]))
    plain, given = Answers.seen
    assert plain["user-agent"] == "kube-probe/1.36"
    assert (plain["accept"], plain["host"], plain["connection"]) == ("*/*", f"127.0.0.1:{port}", "close")
    assert (given["host"], given["x-given"], given["user-agent"]) == ("example.com", "yes", "kube-probe/1.36")
    assert "accept" not in given


def test_names_of_headers_may_repeat_and_their_case_does_not_matter(port: int) -> None:
    get(
        action(
            port, "/200", headers=[["X-Twice", "one"], ["x-twice", "zw\xf6lf"], ["accept", ""], ["user-agent", "me"]]
        )
    )
    (seen,) = Answers.seen
    assert (seen["x-twice"].encode("latin-1").decode(), seen["user-agent"]) == ("zw\xf6lf", "me")
    assert "accept" not in seen
    assert Answers.twice == [2]


def test_what_no_address_may_hold_is_sent_encoded(port: int) -> None:
    assert get(action(port, "/200?a=\xe4 b&c=%20")) == (True, "")
    assert get(action(port, "301//200?\xe4")) == (True, "")
    assert Answers.paths == ["/200?a=%C3%A4%20b&c=%20", "/301//200?%C3%A4", "/200?%C3%A4"]


def test_a_name_that_cannot_be_one_is_not_found(port: int) -> None:
    name = "a" * 64
    missing = f"dial tcp: lookup {name}: no such host"
    assert connect(action(port, host=name)) == (False, missing)
    assert get(action(port, host=name)) == (False, f'Get "http://{name}:{port}/": {missing}')


def test_nobody_there_and_no_answer_are_said_as_a_kubelet_says_them(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    refused = f"dial tcp 127.0.0.1:{closed}: connect: connection refused"
    assert get(action(closed, "/x")) == (False, f'Get "http://127.0.0.1:{closed}/x": {refused}')
    assert connect(action(closed)) == (False, refused)
    assert connect(action(port)) == (True, "")
    good, why = get(action(port, "/close"))
    assert not good
    assert why.startswith(f'Get "http://127.0.0.1:{port}/close": ')


def test_certificates_are_not_verified(tmp_path: Path) -> None:
    made = server_certificates(tmp_path, ["elsewhere.example.com"], datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with serving(context) as port:
        assert get(action(port, "/200", scheme="HTTPS"))[0] is True
        assert get(action(port, "/500", scheme="HTTPS")) == (False, "HTTP probe failed with statuscode: 500")
