"""What a real kubectl makes of our discovery and OpenAPI documents, and what it then sends: a recorder answers it.

Only what has no I/O of its own is under test here; the server is played whole elsewhere.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.system.serving import KUBECTL, require_kubectl

from podledger_adapters.server import discovery
from podledger_adapters.server.body import decode_body
from podledger_adapters.server.negotiation import media_type, negotiate
from podledger_adapters.server.openapi import OpenApi
from podledger_adapters.server.openapi.descriptions import field_text
from podledger_adapters.server.patch import PatchRequest, apply_patch
from podledger_adapters.server.path import parse_path
from podledger_adapters.server.status import resource_not_found, status_of

pytestmark = require_kubectl

Json = dict[str, Any]
LIVE: Json = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "pi", "namespace": "default", "uid": "u", "resourceVersion": "1"},
    "spec": {
        "template": {
            "spec": {
                "containers": [{"name": "pi", "image": "perl", "terminationMessagePolicy": "File"}],
                "restartPolicy": "Never",
            }
        }
    },
}
MANIFEST: Json = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "pi"},
    "spec": {
        "template": {
            "spec": {
                "containers": [{"name": "side", "image": "busybox"}, {"name": "pi", "image": "perl"}],
                "restartPolicy": "Never",
            }
        }
    },
}


class Recorder(ThreadingHTTPServer):
    """Answers discovery from our documents, and everything else with LIVE; keeps what was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.sent: list[tuple[str, str, Json]] = []
        self.api = OpenApi()

    def answer(self, path: str, accept: str | None) -> tuple[int, bytes, str]:
        """Code, body and Content-Type of a GET."""
        plain = "application/json"
        if path in ("/api", "/apis"):
            shown = negotiate(accept, discovery=True)
            document: Any = discovery.aggregated(core=path == "/api", version=shown.version)
            return 200, json.dumps(document).encode(), shown.content_type
        if path == "/openapi/v3":
            return 200, json.dumps(self.api.index()).encode(), plain
        if path.startswith("/openapi/v3/"):
            return 200, self.api.encoded(path.removeprefix("/openapi/v3/")), plain
        document = (
            discovery.version_info("0") if path == "/version" else discovery.resource_list(path.removeprefix("/apis/"))
        )
        if document is None and path.endswith("/jobs/pi"):
            document = LIVE
        if document is None:
            return 404, json.dumps(status_of(resource_not_found())).encode(), plain
        return 200, json.dumps(document).encode(), plain


class Handler(BaseHTTPRequestHandler):
    """One connection of kubectl."""

    protocol_version = "HTTP/1.1"
    server: Recorder  # pyright: ignore[reportIncompatibleVariableOverride]  # what http.server makes it

    def handle_any(self) -> None:
        """GET is answered; what is sent is decoded as the server does, and kept."""
        path = self.path.partition("?")[0].rstrip("/")
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.command == "GET":
            self.reply(*self.server.answer(path, self.headers.get("accept")))
            return
        content_type = self.headers.get("content-type", "")
        if self.command == "PATCH":
            patch = PatchRequest(
                "Job", "batch/v1", media_type(content_type, patch=True), data, "pi", namespace="default"
            )
            document = apply_patch(patch, LIVE).document
        else:
            parsed = parse_path(path)
            assert parsed is not None
            assert parsed.resource is not None
            kind, version = parsed.resource.kind, parsed.resource.api_version
            document = decode_body(kind, version, media_type(content_type), data).document
        self.server.sent.append((path, content_type, document))
        self.reply(201 if self.command == "POST" else 200, json.dumps(document).encode(), "application/json")

    do_GET = do_POST = do_PATCH = handle_any

    def reply(self, code: int, body: bytes, content_type: str) -> None:
        """Send an answer."""
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def kubectl(recorder: Recorder, home: Path, *arguments: str) -> str:
    """What a command prints; it must succeed."""
    assert KUBECTL is not None
    environment = {"HOME": str(home), "KUBECONFIG": "/dev/null", "PATH": "/usr/bin:/bin"}
    url = f"http://127.0.0.1:{recorder.server_address[1]}"
    done = subprocess.run(
        [KUBECTL, "--server", url, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_typed_clients_send_protobuf_that_is_decoded(recorder: Recorder, tmp_path: Path) -> None:
    kubectl(recorder, tmp_path, "create", "job", "hello", "--image=busybox", "--", "echo", "hi")
    cron = ["create", "cronjob", "tick", "--image=busybox", "--schedule=*/5 * * * *", "--restart=OnFailure"]
    kubectl(recorder, tmp_path, *cron)
    kubectl(recorder, tmp_path, "create", "namespace", "team")
    (job_path, job_type, job), (_, _, cron_job), (_, _, namespace) = recorder.sent
    assert (job_path, job_type) == (
        "/apis/batch/v1/namespaces/default/jobs",
        "application/vnd.kubernetes.protobuf",
    )
    container = {"name": "hello", "image": "busybox", "command": ["echo", "hi"]}
    assert job["spec"]["template"]["spec"] == {"containers": [container], "restartPolicy": "Never"}
    assert cron_job["spec"]["schedule"] == "*/5 * * * *"
    template = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert template == {"containers": [{"name": "tick", "image": "busybox"}], "restartPolicy": "OnFailure"}
    assert (namespace["kind"], namespace["metadata"]) == ("Namespace", {"name": "team"})


def test_kubectl_computes_patches_from_our_schemas(recorder: Recorder, tmp_path: Path) -> None:
    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps(MANIFEST), encoding="utf-8")
    # The live Job was not applied before: kubectl warns of it on stderr.
    assert kubectl(recorder, tmp_path, "apply", "-f", str(manifest)) == "job.batch/pi configured\n"
    ((_, content_type, patched),) = recorder.sent
    assert content_type == "application/strategic-merge-patch+json"
    # Had kubectl not known how the list merges, it would have sent it whole, without what the server had added.
    side, pi = patched["spec"]["template"]["spec"]["containers"]
    assert side == {"name": "side", "image": "busybox"}
    assert pi == {"name": "pi", "image": "perl", "terminationMessagePolicy": "File"}


def test_kubectl_explains_fields_and_lists_resources(recorder: Recorder, tmp_path: Path) -> None:
    explained = kubectl(recorder, tmp_path, "explain", "job.spec.backoffLimit")
    assert "FIELD: backoffLimit <integer>" in explained
    assert field_text("JobSpec", "backoffLimit") in " ".join(explained.split())
    assert "KIND:       Lease" in kubectl(recorder, tmp_path, "explain", "lease")
    listed = kubectl(recorder, tmp_path, "api-resources", "--api-group=batch").splitlines()
    assert [line.split() for line in listed[1:]] == [
        ["cronjobs", "cj", "batch/v1", "true", "CronJob"],
        ["jobs", "batch/v1", "true", "Job"],
    ]
