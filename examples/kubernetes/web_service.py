"""A web service that runs the marked Jobs of a cluster beside its own work, and shows them.

    python examples/kubernetes/web_service.py --db prod.db
    curl localhost:8088/jobs
    curl localhost:8088/jobs/default/hello

The controller is there as long as the application: it handles no signals and keeps no global state, so that several may
live in one process, each with a cluster and a ledger of its own.
"""

import argparse
from collections.abc import AsyncGenerator

from aiohttp import web

from podledger import Controller, JobKey, SqliteLog
from podledger.job.state import JobState
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.kubeconfig import load_access

CONTROLLER = web.AppKey("controller", Controller)


def make_app(access: Access, db: str) -> web.Application:
    """The application; its controller keeps its ledger in the file `db`."""

    async def controlling(app: web.Application) -> AsyncGenerator[None]:
        async with (
            KubernetesCluster(access) as cluster,
            SqliteLog.open(db) as log,
            Controller(cluster, log) as controller,
        ):
            app[CONTROLLER] = controller
            yield

    app = web.Application()
    app.cleanup_ctx.append(controlling)
    app.router.add_get("/jobs", show_all)
    app.router.add_get("/jobs/{namespace}/{name}", show_one)
    return app


async def show_all(request: web.Request) -> web.Response:
    """GET /jobs."""
    return web.json_response([summary(state) for state in request.app[CONTROLLER].states() if not state.gone])


async def show_one(request: web.Request) -> web.Response:
    """GET /jobs/NAMESPACE/NAME."""
    state = request.app[CONTROLLER].state(JobKey(request.match_info["namespace"], request.match_info["name"]))
    if state is None or state.gone:
        raise web.HTTPNotFound(text="no such Job, or not one of ours\n")
    return web.json_response(summary(state))


def summary(state: JobState) -> dict[str, object]:
    """What there is to show of a Job: what its published status says."""
    status = state.published
    return {
        "namespace": state.namespace,
        "name": state.name,
        "active": status.active,
        "succeeded": status.succeeded,
        "failed": status.failed,
        "conditions": [condition.type for condition in status.conditions if condition.status == "True"],
    }


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description="A web service that runs the marked Jobs of a cluster.")
    parser.add_argument("--db", metavar="PATH", default="jobs.db", help="the ledger (default jobs.db)")
    parser.add_argument("--context", help="of the kubeconfig (default its current one)")
    parser.add_argument("--port", type=int, default=8088, help="where to listen on loopback (default 8088)")
    options = parser.parse_args()
    web.run_app(make_app(load_access(context=options.context), options.db), host="127.0.0.1", port=options.port)


if __name__ == "__main__":
    main()
