"""An API server of our own in this process, without a Job controller, and a client's access to it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from podledger.api.meta import ObjectMeta
from podledger.api.namespace import Namespace
from podledger.clock import RealClock
from podledger.ports import Clock
from podledger_adapters.kubernetes.access import Access, Identity
from podledger_adapters.local import KEEPERS, LocalCluster
from podledger_adapters.nodes.behaviour import Behaviour
from podledger_adapters.nodes.simulated import SimulatedNode
from podledger_adapters.server.app import make_app
from podledger_adapters.server.serving import Address, bind, serving
from podledger_adapters.store import ObjectStore

__all__ = ["NAMESPACE", "TOKEN", "api_server", "served"]

TOKEN = "t0ken"
NAMESPACE = "suite"


@asynccontextmanager
async def api_server(
    *,
    simulated: bool = False,
    behaviour: Behaviour | None = None,
    clock: Clock | None = None,
    seed: int = 7,
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> AsyncGenerator[tuple[LocalCluster, Access]]:
    """The cluster behind the server, whose pods may act as if they ran, and how a client reaches it.

    `around` goes around the application and sees every request.
    """
    clock = clock or RealClock()
    others = [name for name in KEEPERS if name != "job"]
    node = SimulatedNode(clock, seed=seed, behaviour=behaviour) if simulated else None
    async with LocalCluster(ObjectStore(clock, seed=seed), node, clock=clock, controllers=others) as cluster:
        with cluster.store.batch() as batch:
            batch.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
        async with served(cluster, around) as access:
            yield cluster, access


@asynccontextmanager
async def served(
    cluster: LocalCluster, around: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> AsyncGenerator[Access]:
    """An API server before a cluster that runs, and how a client reaches it."""
    bound, address = bind(Address("127.0.0.1", 0))
    try:
        app, state = make_app(cluster, TOKEN)
        async with serving(around(app), bound, None, state.stopping):
            yield Access(f"http://{address}", "a test", identity=Identity(token=TOKEN))
    finally:
        bound.close()
