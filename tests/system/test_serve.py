"""`podledger serve` from its start to its end: addresses and tokens, what survives a kill, what ends with it."""

import json
import signal
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import job, left_over, podledger
from tests.system.serving import Served, serve

from podledger_adapters.server.kubeconfig import read_kubeconfig

JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"


def ask(
    served: Served, path: str, body: Any = None, *, method: str | None = None, token: str | None = None
) -> tuple[int, Any]:
    """One request over TLS that trusts the kubeconfig alone; the code and the document."""
    access = read_kubeconfig(served.kubeconfig)
    context = None
    if access.authority is not None:
        context = ssl.create_default_context(cadata=access.authority.decode())
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(served.url + path, data, method=method or ("GET" if body is None else "POST"))
    request.add_header("Content-Type", "application/json")
    if token != "":
        request.add_header("Authorization", f"Bearer {token or access.token}")
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def until(check: Callable[[], Any], *, within_s: float = 30) -> Any:
    """What the check says once it says anything."""
    end = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)
    return found


def complete(served: Served, name: str) -> bool:
    """Whether a Job is Complete."""
    _, found = ask(served, f"{JOBS}/{name}")
    return any(each["type"] == "Complete" for each in found["status"].get("conditions", ()))


def test_only_the_token_opens_it(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        assert served.url.startswith("https://127.0.0.1:")
        assert ask(served, JOBS)[0] == 200
        code, anonymous = ask(served, JOBS, token="")
        assert (code, anonymous["reason"]) == (403, "Forbidden")
        assert anonymous["message"] == (
            'jobs.batch is forbidden: User "system:anonymous" cannot list resource "jobs" in API group "batch" '
            'in the namespace "default"'
        )
        code, wrong = ask(served, JOBS, token="wrong")
        assert (code, wrong["reason"], wrong["message"]) == (401, "Unauthorized", "Unauthorized")
        assert ask(served, "/version", token="")[0] == 200
        assert ask(served, JOBS, job("x", ["true"]), token="")[0] == 403
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(served.url, timeout=10)
        code, said = served.stop(signal.SIGINT)
        assert (code, said) == (130, "")
    assert left_over(tmp_path) == []
    assert list(tmp_path.glob("podledger-*")) == []


def test_plain_http_wants_the_token_too(tmp_path: Path) -> None:
    with serve(tmp_path, "--insecure-http", "--token", "T", "--cluster", "memory", "--kubeconfig", "kc") as served:
        assert served.url.startswith("http://127.0.0.1:")
        assert served.kubeconfig == tmp_path / "kc"
        assert served.token == "T"
        assert ask(served, JOBS)[0] == 200
        assert ask(served, JOBS, token="")[0] == 403
        assert ask(served, JOBS, job("sim", ["true"]))[0] == 201
        until(lambda: complete(served, "sim"))
        assert served.stop() == (143, "")
    assert (tmp_path / "kc").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--listen", "0.0.0.0:0", "--insecure-http"), "error: --insecure-http: beyond loopback"),
        (("--listen", "nowhere"), "error: --listen nowhere: must be HOST:PORT"),
        (("--listen", "::1:80"), "error: --listen ::1:80: an IPv6 address stands in brackets"),
        (("--controllers", "*,-jobs"), "error: --controllers *,-jobs: there is no jobs; there are job, "),
        (("--cluster", "memory", "--pods", "run"), "error: --pods run: nothing runs in memory"),
        (("--pods", "simulate"), "error: --pods simulate: simulated pods need --cluster memory"),
        (("--token", ""), "error: --token: must be printable ASCII"),
        (("--max-pods", "0"), "error: --max-pods 0: must be 1 or more"),
        (("--pods", "manual", "--env", "A=1"), "error: --env: pods of --pods manual have no environment"),
        (("--env", "=1"), "error: --env =1"),
        (("--db", "postgresql://x"), "error: --db postgresql://x"),
        (("--bogus",), "error: Unknown option"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = podledger("serve", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_address_in_use_and_a_ledger_in_use_are_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = podledger("serve", "--listen", address, cwd=tmp_path)
    assert done.returncode == 3
    assert (
        done.stderr
        == f"error: cannot listen on {address}: Address already in use; choose another address with --listen\n"
    )
    with serve(tmp_path, "--db", "l.db") as served:
        kubeconfig = served.kubeconfig.read_bytes()
        done = podledger("serve", "--listen", "127.0.0.1:0", "--db", "l.db", cwd=tmp_path)
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1
        assert "l.db" in done.stderr
        # Who serves it already is not disturbed.
        assert served.kubeconfig.read_bytes() == kubeconfig
        assert ask(served, JOBS)[0] == 200


def test_a_killed_server_goes_on_with_its_ledger_and_runs_nothing_twice(tmp_path: Path) -> None:
    words = ["sh", "-c", 'echo once >> "$RUNS"; sleep 3; echo done']
    with serve(tmp_path, "--db", "l.db", "--env", f"RUNS={tmp_path / 'runs'}") as served:
        for number in range(3):
            assert ask(served, JOBS, job(f"j{number}", words, parallelism=2, completions=2))[0] == 201
        runs = tmp_path / "runs"
        until(lambda: runs.exists() and runs.read_text().count("once") == 6)
        before = {pod["metadata"]["uid"] for pod in ask(served, PODS)[1]["items"]}
        _, stored = ask(served, f"{JOBS}/j0")
        served.process.kill()
        served.process.wait()
        kubeconfig = served.kubeconfig.read_bytes()
        address = served.url.removeprefix("https://")
    with serve(tmp_path, "--db", "l.db", "--listen", address, "--env", f"RUNS={tmp_path / 'runs'}") as served:
        # The same address, token and authority: whoever had the kubeconfig goes on.
        assert served.kubeconfig.read_bytes() == kubeconfig
        assert ask(served, f"{JOBS}/j0")[1]["metadata"]["uid"] == stored["metadata"]["uid"]
        until(lambda: all(complete(served, f"j{number}") for number in range(3)))
        pods = ask(served, PODS)[1]["items"]
        assert {pod["metadata"]["uid"] for pod in pods} == before
        assert runs.read_text().count("once") == 6
        for number in range(3):
            assert ask(served, f"{JOBS}/j{number}")[1]["status"]["succeeded"] == 2
        assert served.stop()[0] == 143
    assert left_over(tmp_path) == []


def test_pods_run_on_with_a_ledger_and_end_without(tmp_path: Path) -> None:
    kept, fresh = tmp_path / "kept", tmp_path / "fresh"
    kept.mkdir()
    fresh.mkdir()
    endless = ["sh", "-c", "exec sleep 600"]

    def running(served: Served) -> bool:
        return any(pod["status"]["phase"] == "Running" for pod in ask(served, PODS)[1]["items"])

    with serve(fresh) as served:
        assert ask(served, JOBS, job("long", endless))[0] == 201
        until(lambda: running(served))
        assert served.stop() == (143, "ending 1 pod\n")
    assert left_over(fresh) == []
    with serve(kept, "--db", "l.db") as served:
        assert ask(served, JOBS, job("long", endless))[0] == 201
        until(lambda: running(served))
        assert served.stop() == (143, "1 pod run on; podledger serve --db l.db finds them\n")
    with serve(kept, "--db", "l.db") as served:
        (pod,) = ask(served, PODS)[1]["items"]
        assert pod["status"]["phase"] == "Running"
        code, _ = ask(served, f"{JOBS}/long", {"propagationPolicy": "Background"}, method="DELETE")
        assert code == 200
        until(lambda: not ask(served, PODS)[1]["items"])
    assert left_over(kept) == []


def test_a_pod_starts_another_job(tmp_path: Path) -> None:
    program = tmp_path / "start.py"
    program.write_text(
        "import json, os, ssl, urllib.request\n"
        "config = json.load(open(os.environ['KUBECONFIG']))\n"
        "cluster, user = config['clusters'][0]['cluster'], config['users'][0]['user']\n"
        "import base64\n"
        "authority = base64.b64decode(cluster['certificate-authority-data']).decode()\n"
        f"body = {json.dumps(job('second', ['true']))!r}.encode()\n"
        f"request = urllib.request.Request(cluster['server'] + {JOBS!r}, body, method='POST')\n"
        "request.add_header('Authorization', 'Bearer ' + user['token'])\n"
        "request.add_header('Content-Type', 'application/json')\n"
        "urllib.request.urlopen(request, context=ssl.create_default_context(cadata=authority))\n"
    )
    with serve(tmp_path) as served:
        assert ask(served, JOBS, job("first", [sys.executable, str(program)]))[0] == 201
        until(lambda: complete(served, "first"))
        until(lambda: complete(served, "second"))


def test_clients_that_send_slowly_or_without_end_are_bounded(tmp_path: Path) -> None:
    with serve(tmp_path, "--cluster", "memory", "--insecure-http", "--token", "T") as served:
        host, _, port = served.url.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as endless:
            endless.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n")
            answer = b""
            try:
                for _ in range(1000):
                    endless.sendall(b"X-Filler: " + b"x" * 4000 + b"\r\n")
                answer = endless.recv(1000)
            except OSError:
                answer = answer or b"closed"
            assert answer.startswith((b"HTTP/1.1 431", b"closed"))
        with socket.create_connection((host, int(port)), timeout=30) as large:
            head = f"POST {JOBS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer T\r\nContent-Length: 99999999\r\n\r\n"
            large.sendall(head.encode())
            assert large.recv(1000).startswith(b"HTTP/1.1 413")
        assert ask(served, JOBS)[0] == 200


def test_the_help_names_every_flag(tmp_path: Path) -> None:
    done = podledger("serve", "--help", cwd=tmp_path)
    assert done.returncode == 0
    flags = ("--cluster", "--pods", "--listen", "--insecure-http", "--token", "--controllers", "--db", "--kubeconfig")
    assert all(flag in done.stdout for flag in flags)
