"""An API server on a cluster in memory whose pods stay as they are, asked without sockets."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.asgi_client import TOKEN, Client

from podledger_adapters.local import LocalCluster
from podledger_adapters.server.app import make_app
from podledger_adapters.server.call import ServerState

__all__ = ["JOBS", "PODS", "World", "a_job", "a_pod", "serve_world"]

JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"


class World:
    """The server, its cluster and a client."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.app, self.state = make_app(cluster, TOKEN)
        self.ask = Client(self.app)

    async def made(self, path: str, document: object) -> Any:
        """Create an object that must be taken."""
        answer = await self.ask("POST", path, document)
        assert answer.code == 201, answer.body
        return answer.json

    @property
    def shared(self) -> ServerState:
        """What all requests share."""
        return self.state


@asynccontextmanager
async def serve_world() -> AsyncGenerator[World]:
    """A fresh one."""
    async with LocalCluster.manual() as cluster:
        yield World(cluster)


def a_job(name: str, **spec: Any) -> dict[str, Any]:
    """The manifest of a Job."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}
    metadata = {"name": name} if name else {"generateName": "made-"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}


def a_pod(name: str, **metadata: Any) -> dict[str, Any]:
    """The manifest of a pod."""
    spec = {"containers": [{"name": "main", "image": "busybox"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}
