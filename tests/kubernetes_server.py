"""An API server of our own in this process, without a Job controller, and a client's access to it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from podledger.api.meta import ObjectMeta
from podledger.api.namespace import Namespace
from podledger.clock import RealClock
from podledger_adapters.kubernetes.kubeconfig import Access, Identity
from podledger_adapters.local import KEEPERS, LocalCluster
from podledger_adapters.nodes.simulated import SimulatedNode
from podledger_adapters.server.app import make_app
from podledger_adapters.server.serving import Address, bind, serving
from podledger_adapters.store import ObjectStore

__all__ = ["NAMESPACE", "TOKEN", "api_server"]

TOKEN = "t0ken"
NAMESPACE = "suite"


@asynccontextmanager
async def api_server(*, simulated: bool = False) -> AsyncGenerator[tuple[LocalCluster, Access]]:
    """The cluster behind the server, whose pods may act as if they ran, and how a client reaches it."""
    clock = RealClock()
    bound, address = bind(Address("127.0.0.1", 0))
    try:
        others = [name for name in KEEPERS if name != "job"]
        node = SimulatedNode(clock, seed=7) if simulated else None
        async with LocalCluster(ObjectStore(clock, seed=7), node, clock=clock, controllers=others) as cluster:
            with cluster.store.batch() as batch:
                batch.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
            app, state = make_app(cluster, TOKEN)
            async with serving(app, bound, None, state.stopping):
                yield cluster, Access(f"http://{address}", "a test", identity=Identity(token=TOKEN))
    finally:
        bound.close()
