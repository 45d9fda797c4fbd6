"""A whole local Kubernetes for Jobs: cluster, controllers and API server, opened and closed in their order.

`podledger serve` runs one until it is told to stop, `podledger_adapters.testing` runs one for a test.
"""

import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Final, Literal

import anyio
from msgspec import Struct
from msgspec.structs import replace

from podledger.api.pod import Pod
from podledger.background import Background
from podledger.clock import RealClock
from podledger.controller import Controller, ControllerOptions
from podledger.errors import ClusterError, InputError
from podledger.log.memory import MemoryLog
from podledger.log.sqlite import SqliteLog
from podledger.ports import Clock, EventLog, Node
from podledger_adapters.local import LocalCluster
from podledger_adapters.server.app import make_app
from podledger_adapters.server.certificates import Certificates, server_certificates
from podledger_adapters.server.kubeconfig import write_kubeconfig
from podledger_adapters.server.private_file import make_private_directory, write_private
from podledger_adapters.server.serving import Address, bind, is_loopback, serving
from podledger_adapters.store import ObjectStore
from podledger_adapters.workspace import Workspace

__all__ = ["CONTROLLERS", "ClusterKind", "LocalServer", "PodsMode", "ServerOptions", "check_options", "local_server"]

ClusterKind = Literal["process", "memory"]
PodsMode = Literal["run", "manual", "simulate"]

CONTROLLERS: Final = ("job", "cronjob", "ttl", "gc", "podgc", "namespace")
"""The controllers there are."""
SYNC_BATCH_PERIOD_S: Final = 1.0
"""As the built-in Job controller has it."""
MEMORY_SNAPSHOT_EVENTS: Final = 50_000
"""Events between snapshots where the log is in memory: what is behind them is forgotten."""
WILDCARDS: Final = ("0.0.0.0", "::")  # compared with, not listened on
TOKEN_BYTES: Final = 32


class ServerOptions(Struct, frozen=True):
    """What to serve, and where. `token` None: the one kept with the ledger, else a fresh one."""

    cluster: ClusterKind = "process"
    pods: PodsMode | None = None
    listen: Address = Address("127.0.0.1", 0)
    insecure_http: bool = False
    token: str | None = None
    controllers: Sequence[str] = CONTROLLERS
    db: str | None = None
    kubeconfig: Path | None = None
    max_pods: int | None = None
    env: Sequence[str] = ()
    sync_batch_period_s: float = SYNC_BATCH_PERIOD_S

    @property
    def pods_mode(self) -> PodsMode:
        """What becomes of pods: by default processes run, and pods in memory act as if."""
        return self.pods or ("run" if self.cluster == "process" else "simulate")


class LocalServer:
    """A server that runs. `url`, `token` and `ca_file` (None for plain HTTP) are in `kubeconfig` too."""

    def __init__(
        self, place: "Place", cluster: LocalCluster, controller: Controller | None, listening: Background
    ) -> None:
        self.url, self.token, self.kubeconfig = place.url, place.token, place.kubeconfig
        self.ca_file = None if place.certificates is None else place.certificates.authority_file
        self.cluster, self.controller = cluster, controller
        self._listening = listening

    @property
    def running_pods(self) -> int:
        """How many pods run on the cluster's node now."""
        node = self.cluster.node
        pods = self.cluster.store.table(Pod)
        return sum(
            node is not None and pod.spec.node_name == node.name and pod.status.phase not in ("Succeeded", "Failed")
            for pod in pods
        )

    async def wait_stopped(self) -> None:
        """Wait until a part of it runs no more. Raises PodledgerError, always; the cause is what it met."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.cluster.wait_stopped)
            if self.controller is not None:
                tasks.start_soon(self.controller.wait_stopped)
            await self._listening.wait_ended()
            self._listening.check()


def check_options(options: ServerOptions) -> None:
    """Raises InputError for what does not go together."""
    host = options.listen.host
    if options.insecure_http and not is_loopback(host):
        why = f"beyond loopback ({host}) requests and the token need TLS; leave --insecure-http out"
        raise InputError(f"--insecure-http: {why}")
    if options.cluster == "process" and options.pods_mode == "simulate":
        raise InputError("--pods simulate: simulated pods need --cluster memory")
    if options.cluster == "memory" and options.pods_mode == "run":
        raise InputError("--pods run: nothing runs in memory; write --cluster process, or --pods simulate or manual")
    if options.token is not None and not (options.token and options.token.isascii() and options.token.isprintable()):
        raise InputError("--token: must be printable ASCII, and not empty")
    if options.env and options.pods_mode != "run":
        raise InputError(f"--env: pods of --pods {options.pods_mode} have no environment; leave it out")


@asynccontextmanager
async def local_server(options: ServerOptions) -> AsyncGenerator[LocalServer]:
    """Serve while inside; it may be entered and left in different tasks.

    The kubeconfig is written before the server listens. Raises PodledgerError.
    """
    check_options(options)
    workspace = Workspace(options.db)
    bound, address = bind(options.listen)
    try:
        async with AsyncExitStack() as stack:
            clock = RealClock()
            store, log = await open_store(stack, workspace, clock)
            place = Place(options, workspace, address)
            # Not before the ledger is ours: beside it lie the files of whoever serves it.
            place.write()
            node = make_node(options, workspace, place, clock)
            cluster = LocalCluster(store, node, clock=clock, controllers=options.controllers)
            await stack.enter_async_context(cluster)
            controller: Controller | None = None
            settings = controller_options(options)
            if settings is not None:
                controller = Controller(cluster, log, clock=clock, options=settings)
                await stack.enter_async_context(controller)
            app, state = make_app(cluster, place.token)
            listening = await stack.enter_async_context(serving(app, bound, place.certificates, state.stopping))
            yield LocalServer(place, cluster, controller, listening)
    finally:
        bound.close()
        workspace.remove()


def controller_options(options: ServerOptions) -> ControllerOptions | None:
    """How the controller works that runs Jobs, CronJobs or both; None where neither is asked for."""
    jobs, cronjobs = "job" in options.controllers, "cronjob" in options.controllers
    if not (jobs or cronjobs):
        return None
    settings = ControllerOptions(sync_batch_period_s=options.sync_batch_period_s, cronjobs=cronjobs)
    if options.db is None:
        settings = replace(settings, snapshot_events=MEMORY_SNAPSHOT_EVENTS)
    return settings if jobs else replace(settings, managed_by=frozenset())


async def open_store(stack: AsyncExitStack, workspace: Workspace, clock: Clock) -> tuple[ObjectStore, EventLog]:
    """The objects and the log: in the ledger that was named, else in memory. Raises LogError."""
    if workspace.temporary:
        return ObjectStore(clock), await stack.enter_async_context(MemoryLog(keep_events=False))
    log = await stack.enter_async_context(SqliteLog.open(workspace.ledger, clock=clock))
    return await ObjectStore.open(clock, log.objects()), log


class Place:
    """Where the server is, and the files by which clients find and trust it.

    With a ledger they lie beside it (PATH.server/) and stay, so that pods that run on, and users, still reach the
    next server at the same address.
    """

    def __init__(self, options: ServerOptions, workspace: Workspace, address: Address) -> None:
        self._options, self._address = options, address
        self._directory = workspace.ledger.with_name(f"{workspace.ledger.name}.server").absolute()
        scheme = "http" if options.insecure_http else "https"
        host = address.host
        if host in WILDCARDS:
            host = "::1" if ":" in host else "127.0.0.1"
        self.url = f"{scheme}://{Address(host, address.port)}"
        self.token = options.token or ""
        self.certificates: Certificates | None = None
        self.pods_kubeconfig = self._directory / "kubeconfig"
        """What pods are given: in a place that stays."""
        self.kubeconfig = self.pods_kubeconfig if options.kubeconfig is None else options.kubeconfig.absolute()

    def write(self) -> None:
        """Write the files. Raises ClusterError."""
        try:
            make_private_directory(self._directory)
            self.token = self.token or self._kept_token()
            if not self._options.insecure_http:
                now = datetime.fromtimestamp(RealClock().now(), UTC)
                self.certificates = server_certificates(self._directory, self._names(), now)
            authority = None if self.certificates is None else self.certificates.authority
            for path in dict.fromkeys((self.pods_kubeconfig, self.kubeconfig)):
                write_kubeconfig(path, self.url, self.token, authority)
        except OSError as error:
            raise ClusterError(f"{error.filename}: cannot be written: {error.strerror}") from error

    def _kept_token(self) -> str:
        path = self._directory / "token"
        try:
            kept = path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeError):
            kept = ""
        if not kept:
            kept = secrets.token_urlsafe(TOKEN_BYTES)
            write_private(path, kept.encode() + b"\n")
        return kept

    def _names(self) -> Sequence[str]:
        """The names and addresses by which the server may be called."""
        names = ["localhost", "127.0.0.1", "::1"]
        names += [gethostname()] if self._address.host in WILDCARDS else [self._address.host]
        return list(dict.fromkeys(names))


def make_node(options: ServerOptions, workspace: Workspace, place: Place, clock: Clock) -> Node | None:
    """Who runs the pods; None where somebody else moves them. Raises InputError."""
    if options.pods_mode == "manual":
        return None
    if options.pods_mode == "simulate":
        from podledger_adapters.nodes.simulated import SimulatedNode

        return SimulatedNode(clock, seed=secrets.randbits(32), capacity=options.max_pods)
    from podledger_adapters.nodes.process.node import DEFAULT_MAX_PODS, ProcessNode

    return ProcessNode(
        workspace.pods,
        capacity=options.max_pods or DEFAULT_MAX_PODS,
        survive=not workspace.temporary,
        pass_env=(f"KUBECONFIG={place.pods_kubeconfig}", *options.env),
    )
