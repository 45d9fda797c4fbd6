"""One run over HTTP: a server, a lagging replica, a proxy that strikes, a controller that dies, and oracles.

The oracles are the simulator's: they read the store behind the server and the ledger, never what the proxy says. In
the first phase faults strike and only safety is asked for; then they stop, and everything has to finish, be counted
exactly and come to rest, after which no write may reach the server.
"""

from collections.abc import Iterator

import anyio
from msgspec.structs import replace

from podledger import ControllerOptions
from podledger.api.job import Job
from podledger.controller import EVERY_JOB
from podledger.job.event_seen import JobRecord
from podledger.job.limits import Limits
from podledger.log.codec import decode_batch
from podledger_adapters.local import LocalCluster
from podledger_adapters.store import StoreWatch
from tests.faults.clock import QuickClock
from tests.faults.fault import Faults
from tests.faults.process import Process
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.faults.replica import replica_of
from tests.faults.scenario import Scenario, draw_scenario
from tests.faults.users import Users
from tests.kubernetes_server import api_server
from tests.request_account import RequestAccount
from tests.simulation.account import Account, violated
from tests.simulation.cluster_oracle import ClusterOracle
from tests.simulation.log_oracle import STREAM, LogOracle
from tests.simulation.world import first_of

__all__ = ["World"]

SPEED = 20.0
"""How many seconds of the run's clock a real one has."""
LIMITS = Limits(backoff_base_s=1.0, backoff_max_s=8.0)
FAULTS_S = 6.0
"""How long faults strike at most, in real seconds."""
FINISH_S = 90.0
"""How long all may take to finish after that, in real seconds: far more than needed, for a machine that is busy."""
REST_S, SILENCE_S = 0.5, 1.0
"""So long nothing is written and nothing is due before the cluster counts as settled, and so long it is watched then.

Real seconds; on the run's clock a retry comes after one second first, and a settled controller has none to come.
"""
LAG_S = 0.5
LAST_EVENTS = 60
"""How many events a run that does not come to rest shows."""


class World:
    """Everything there is in one run."""

    def __init__(self, seed: int, faults: Faults, scenario: Scenario | None = None) -> None:
        self.seed, self.faults = seed, faults
        self.scenario = scenario or draw_scenario(seed)
        self.clock = QuickClock(SPEED)
        self.account = RequestAccount()
        self._logs: list[LogOracle] = []
        self.oracle = ClusterOracle(self._rule_of, lambda _: "")
        self._process: Process | None = None
        self._told = anyio.Event()

    async def run(self) -> None:
        """Both phases. Raises Violation, ProcessFailed."""
        try:
            await self._run()
        except ExceptionGroup as group:
            raise first_of(group) from group

    async def _run(self) -> None:
        lag_s = self.faults.draw.uniform(0.0, LAG_S)
        around, behaviour = self.account.around, self.scenario.behaviour
        async with (
            api_server(simulated=True, behaviour=behaviour, clock=self.clock, seed=self.seed, around=around) as (
                cluster,
                access,
            ),
            replica_of(cluster.store, self.clock, lambda: lag_s if self.faults.active else 0.0) as replica,
            fault_proxy(access.server, replica, self.faults) as (proxy, url),
            anyio.create_task_group() as tasks,
        ):
            changes = cluster.store.watch()
            tasks.start_soon(self._follow, changes)
            period_s = self.faults.draw.choice((0.0, 1.0))
            options = ControllerOptions(
                managed_by=EVERY_JOB, sync_batch_period_s=period_s, limits=LIMITS, snapshot_events=200
            )
            process = self._process = Process(replace(access, server=url), proxy, self.faults, self.clock, options)
            users = Users(cluster, self.faults)
            for job in self.scenario.jobs:
                await cluster.submit(job)
            tasks.start_soon(process.run)
            tasks.start_soon(users.work)
            with anyio.move_on_after(FAULTS_S):
                await self._until_finished(cluster)
            self.faults.stop()
            await users.undo()
            await self._come_to_rest(cluster, process)
            self._check(proxy, users)
            tasks.cancel_scope.cancel()

    async def _come_to_rest(self, cluster: LocalCluster, process: Process) -> None:
        """Wait until all is done and quiet, then until it was silent for a while. Raises Violation."""
        try:
            with anyio.fail_after(FINISH_S):
                await self._until_finished(cluster)
                while not await self._quiet(process):
                    await self._until_finished(cluster)
        except TimeoutError:
            told = [f"not at rest {FINISH_S:g} s after the last fault; held are {self.oracle.held()}", repr(process)]
            told += (f"{job.key}: {job.status}" for job in cluster.store.table(Job) if not job.status.finished)
            violated("\n".join([*told, *self._last_events(cluster)]))
        before = len(self.account.writes())
        await anyio.sleep(SILENCE_S)
        late = self.account.writes()[before:]
        if late:
            violated(f"written at rest: {late}")

    async def _until_finished(self, cluster: LocalCluster) -> None:
        """Wait until all Jobs are finished and no pod is held."""
        jobs = cluster.store.table(Job)
        while not all(job.status.finished for job in jobs) or self.oracle.held():
            await self._told.wait()

    async def _quiet(self, process: Process) -> bool:
        """Whether for a while nothing is written, and nothing due."""
        before = len(self.account.writes())
        for _ in range(10):
            await anyio.sleep(REST_S / 10)
            if not process.idle:
                return False
        return len(self.account.writes()) == before

    def _last_events(self, cluster: LocalCluster) -> Iterator[str]:
        """What the log last said of the Jobs that are not finished."""
        uids = {job.metadata.uid for job in cluster.store.table(Job) if not job.status.finished}
        rows = self._process.ledger.rows.get(STREAM, []) if self._process is not None else []
        events = [(row.epoch, event) for row in rows for event in decode_batch(row).events]
        said = [each for each in events if not isinstance(each[1], JobRecord) or each[1].job in uids]
        return (f"epoch {epoch}: {event}" for epoch, event in said[-LAST_EVENTS:])

    # ---- oracles ----------------------------------------------------------------------------------------------------

    async def _follow(self, changes: StoreWatch) -> None:
        async for batch in changes:
            self._read_ledgers()
            for change in batch:
                self.oracle.told(change)
            told, self._told = self._told, anyio.Event()
            told.set()

    @property
    def lives(self) -> int:
        """How often the controller was started."""
        return 0 if self._process is None else self._process.lives

    def _check(self, proxy: FaultProxy, users: Users) -> None:
        """What must hold at rest. Raises Violation."""
        self._read_ledgers()
        self.oracle.at_rest()
        self._logs[-1].at_rest()
        for account in self.oracle.accounts.values():
            if not account.gone and account.job.metadata.uid not in users.disturbed and not self.oracle.log_lost:
                _require_every_end_counted(account)
        if proxy.failures:
            raise ExceptionGroup("the proxy failed", proxy.failures)
        if proxy.inconsistent:
            violated(f"lists that a lagging cache may answer: {proxy.inconsistent}")
        refused = [each for each in self.account.writes() if each.code in (400, 422) and each.resource == "jobs"]
        if refused:
            violated(f"the server refuses what no server should be sent: {refused}")

    def _read_ledgers(self) -> None:
        """Check what was stored since the last call, and note that a ledger was lost."""
        ledgers = [] if self._process is None else self._process.ledgers
        for ledger in ledgers[len(self._logs) :]:
            self._logs.append(LogOracle(ledger, LIMITS))
        for log in self._logs:
            log.check()
        if len(self._logs) > 1:
            self.oracle.surplus_allowed = self.oracle.log_lost = True

    def _rule_of(self, uid: str) -> str:
        return next((log.rules[uid] for log in self._logs if uid in log.rules), "")


def _require_every_end_counted(account: Account) -> None:
    """By the pods alone, where neither policy nor failure cut them short: what ended counts as what it ended as."""
    job, ends = account.job, list(account.ends.values())
    spec, status = job.spec, job.status
    if spec.success_policy or spec.pod_failure_policy or not status.is_true("Complete"):
        return
    succeeded = sum("Succeeded" in each for each in ends)
    failed = sum("Failed" in each for each in ends)
    if (status.succeeded, status.failed) != (succeeded, failed):
        violated(f"{job.key}: {succeeded} pods succeeded, {failed} failed, and the status says {status}")
