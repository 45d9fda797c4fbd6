"""One simulated world: a cluster that lives on, and the controller's process in it, which dies and is started again.

A run has two phases. In the first, faults strike as drawn and only safety is asked for: the oracles look at every
write and every append. Then faults stop, damage is undone, and liveness is asked for: all Jobs finish within a bound,
and after that nothing is written any more.
"""

# What the controller believes is its own business, but not the simulator's.
# pyright: reportPrivateUsage=false

import asyncio
from collections import Counter
from contextlib import suppress
from typing import NamedTuple, cast

import anyio

from podledger.api.job import Job
from podledger.controller import Controller, ControllerOptions
from podledger.errors import ControllerStopped, LogUnavailable, PositionConflict, StaleEpoch
from podledger.job.command import Command
from podledger.job.limits import Limits
from podledger.job.snapshot import encode_state
from podledger.log.memory import MemoryLedger
from podledger.ports import Outcome
from podledger_adapters.store import ObjectStore, StoreChange
from tests.simulation.account import Violation, violated
from tests.simulation.clock import OtherClock, SimulationClock
from tests.simulation.cluster_oracle import ClusterOracle
from tests.simulation.faults import Fault, Faults
from tests.simulation.faulty_cluster import FaultyCluster, Wire
from tests.simulation.faulty_log import FaultyLog
from tests.simulation.history import History
from tests.simulation.life import Life
from tests.simulation.log_oracle import STREAM, LogOracle
from tests.simulation.loop import SimulationLoop
from tests.simulation.restorable import RestorableCluster
from tests.simulation.saboteur import Saboteur, losing_nodes
from tests.simulation.scenario import Scenario

__all__ = ["World", "first_of"]

# Bounds in virtual seconds: of the phase with faults, of the time to finish without, and of the silence that follows.
FAULTS_S = 1800.0
FINISH_S = 6 * 3600.0
SILENCE_S = 3600.0
# The longest that the process stays down, that a zombie works on, and that its successor waits before it starts.
DOWN_S = 30.0
ZOMBIE_S = 30.0
# The longest that calls under way keep a process which was told to stop: several batches of them, each slow.
STOP_S = 600.0
# The most steps that one task is passed over for.
STARVED_STEPS = 2000
# How far the clocks of two machines are apart, virtual seconds.
APART_S = 600.0
# How far ahead of what it was the revision of a restored cluster may be set.
AHEAD = 1000
# A run with more deaths than this gets no further; its faults stop.
MOST_LIVES = 40


class World:
    """Everything there is in one run."""

    def __init__(self, loop: SimulationLoop, seed: int, faults: Faults, scenario: Scenario) -> None:
        self.seed, self.faults, self.scenario = seed, faults, scenario
        self.clock = SimulationClock(loop)
        self.cluster = RestorableCluster(
            seed, self.clock, losing_nodes(scenario.workload, faults), lambda: self._apart(Fault.KUBELET_APART)
        )
        self.history = History(self.store, self.clock)
        self.ledger = MemoryLedger()
        self.cluster_oracle = ClusterOracle(self._rule_of, self._judgement_of)
        self.history.watcher, self.history.beginning = self._told, len(scenario.jobs)
        self.wire = Wire(self.cluster, faults, self._called)
        self.saboteur = Saboteur(self.cluster, faults, self.clock, scenario.jobs)
        self.lives: list[Life] = []
        self.starts: Counter[str] = Counter()
        self._restored = False
        self._loop = loop
        # Often so low that one sync cannot do it all.
        limits = Limits(uncounted_pods=faults.draw.choice((2, 500)), pod_changes=faults.draw.choice((2, 500)))
        self._options = ControllerOptions(
            sync_batch_period_s=faults.draw.choice((0.0, 1.0)),
            snapshot_events=faults.draw.choice((0, 20, 200)),
            limits=limits,
        )
        self.log_oracles = [LogOracle(self.ledger, limits)]
        self._violation: Violation | None = None
        self._unburied: list[Process] = []
        self._controller: Controller | None = None
        self._woken = asyncio.Event()
        self._logged: object = None
        loop.watch_steps(self._check_log)
        loop.watch_steps(self._crash_here)
        loop.watch_steps(self._starve)

    @property
    def store(self) -> ObjectStore:
        """The cluster's objects, as they are now."""
        return self.cluster.store

    async def run(self) -> None:
        """Both phases. Raises Violation, or whatever the controller raised and should not have."""
        async with self.cluster, anyio.create_task_group() as tasks:
            tasks.start_soon(self.history.follow)
            for job in self.scenario.jobs:
                await self.cluster.now.submit(job)
            tasks.start_soon(self.saboteur.work)
            await self._suffer()
            await self._recover()
            tasks.cancel_scope.cancel()

    # ---- the two phases ----------------------------------------------------------------------------------------

    async def _suffer(self) -> None:
        """Live and die until all is done, time is up, or the process died too often."""
        until_s = self.clock.monotonic() + FAULTS_S
        while len(self.lives) < MOST_LIVES and self.clock.monotonic() < until_s and not self._finished():
            process = self._start()
            await self._perhaps_restore(process)
            zombie, stopped = self.faults.strikes(Fault.ZOMBIE), self.faults.strikes(Fault.STOPPED)
            left_s = until_s - self.clock.monotonic()
            await self._wait(process, self.faults.seconds(ZOMBIE_S) if zombie or stopped else left_s)
            lives = process.life.alive and not process.task.done()
            if lives and stopped:
                # As on SIGTERM: its ports work, calls under way are let finish.
                process.task.cancel()
            if lives and zombie:
                # Its successor starts beside it, and some time later it is gone.
                self._loop.call_later(self.faults.seconds(ZOMBIE_S), process.life.die, "the zombie is gone")
                continue
            if lives and stopped:
                await asyncio.wait([process.task], timeout=STOP_S)
                if process.life.alive and not process.task.done():
                    violated(f"process {process.life.number} did not stop within {STOP_S} s")
            await self._bury_all()
            await asyncio.sleep(self.faults.seconds(DOWN_S))
            # What is neither in a restored cluster nor in the log any more, nobody can know; nor that a pod without an
            # owner was counted before.
            lost = self._restored or any(account.disowned for account in self.cluster_oracle.accounts.values())
            if not lost and self.faults.strikes(Fault.LOG_LOST):
                self._lose_log()
        await self._bury_all()

    async def _perhaps_restore(self, process: "Process") -> None:
        """Set the cluster back to a moment of its past, while the process runs or soon after it died."""
        ahead = self.faults.strikes(Fault.RESTORED_AHEAD)
        if len(self.log_oracles) > 1 or not (ahead or self.faults.strikes(Fault.RESTORED)):
            return
        await self._wait(process, self.faults.seconds(DOWN_S))
        moments = self.history.entries[self.history.beginning :]
        # A Job that was deleted is forgotten by the log: brought back, it is another one as far as its counts go.
        if not moments or any(account.gone for account in self.cluster_oracle.accounts.values()):
            return
        self._restored = True
        await self._bury_all(but=process)
        revision = self.faults.draw.choice(moments).change.revision
        objects = [*self.history.objects_at("Job", revision), *self.history.objects_at("Pod", revision)]
        self.wire.cut()
        former = self.cluster.replace(objects, self.store.revision + AHEAD if ahead else revision)
        self.history.restored(self.store, objects)
        self.cluster_oracle.restored(objects)
        await self.cluster.restart(former)

    async def _recover(self) -> None:
        """Without faults everything finishes, and then there is silence."""
        self.faults.stop()
        self.saboteur.undo()
        process = self._start()
        until_s = self.clock.monotonic() + FINISH_S
        while not self._at_rest() and not process.task.done() and self.clock.monotonic() < until_s:
            await self._wait(process, until_s - self.clock.monotonic())
        if process.task.done():
            await self._bury_all()
            violated("the controller ended without a fault")
        if not self._finished():
            statuses = {str(job.key): job.status for job in self.store.table(Job)}
            violated(f"not finished {FINISH_S:.0f} s after the last fault: {statuses}")
        await self.wire.settle()
        await asyncio.sleep(SILENCE_S / 2)
        before = self._ends()
        await asyncio.sleep(SILENCE_S)
        if before != self._ends():
            violated(f"calls made and log position went from {before} to {self._ends()} at rest")
        self.cluster_oracle.at_rest()
        self.log_oracles[-1].at_rest()
        self._require_live_state()
        process.life.die("the run is over")
        await self._bury_all()

    def _finished(self) -> bool:
        return all(job.status.finished for job in self.store.table(Job))

    def _at_rest(self) -> bool:
        return self._finished() and not self.cluster_oracle.held()

    def _ends(self) -> tuple[int, int]:
        head = self.ledger.heads.get(STREAM)
        return self.wire.made, head.position if head is not None else 0

    # ---- processes ---------------------------------------------------------------------------------------------

    def _start(self) -> "Process":
        """A new process of the controller, on the ledger there is."""
        life = Life(self.faults, len(self.lives) + 1)
        self.lives.append(life)
        process = Process(life, asyncio.create_task(self._control(life), name=f"process {life.number}"))
        # How it ended is asked for when it is buried; of a run that failed nobody asks.
        process.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._unburied.append(process)
        return process

    async def _control(self, life: Life) -> None:
        log = FaultyLog(self.ledger, life, self.faults)
        cluster = FaultyCluster(self.cluster, self.wire, self.history, life, self.faults, self.clock)
        controller = Controller(
            cluster,
            log,
            clock=OtherClock(self.clock, self._apart(Fault.CLOCK_APART)),
            holder=f"process {life.number}",
            seed=f"seed {self.seed} ledger {len(self.log_oracles)}",
            options=self._options,
        )
        self._controller = controller
        start = "snapshot" if self.ledger.snapshots.get(STREAM) else "log" if STREAM in self.ledger.heads else "cluster"
        async with controller:
            life.recovering = False
            self.starts[start] += 1
            for job in self.scenario.jobs:
                with suppress(LookupError):  # somebody may delete it
                    await controller.wait(job.key)
            await asyncio.get_running_loop().create_future()

    async def _wait(self, process: "Process", seconds: float) -> None:
        """Until the process ended, or all is at rest, or time is up."""
        self._woken = woken = asyncio.Event()
        process.life.at_end(woken.set)
        process.task.add_done_callback(lambda _: woken.set())
        with anyio.move_on_after(seconds):
            await woken.wait()
        if self._violation is not None:
            raise self._violation

    async def _bury_all(self, *, but: "Process | None" = None) -> None:
        """End every process there is (`but` one): dead first, then cancelled, then forgotten."""
        unburied = [process for process in self._unburied if process is not but]
        self._unburied = [process for process in self._unburied if process is but]
        for process in unburied:
            failed = process.life.alive and process.task.done() and not process.task.cancelled()
            process.life.die("the end of the process")
            process.task.cancel()
            await asyncio.wait([process.task])
            error = None if process.task.cancelled() else process.task.exception()
            if failed and error is not None:
                self._judge(process, error)

    def _judge(self, process: "Process", error: BaseException) -> None:
        """A controller that ended by itself had a reason, or it is a fault of its own."""
        cause = first_of((isinstance(error, ControllerStopped) and error.__cause__) or error)
        if isinstance(cause, StaleEpoch) and process.life is not self.lives[-1]:
            return
        # Of an append that was refused and those behind it, it is not said whose failure is noticed first.
        if isinstance(cause, LogUnavailable | PositionConflict) and self.faults.fired[Fault.LOG_REFUSES]:
            return
        raise Violation(f"process {process.life.number} failed: {cause!r}") from error

    def _lose_log(self) -> None:
        self.ledger = MemoryLedger()
        self.log_oracles.append(LogOracle(self.ledger, self._options.limits))
        self.cluster_oracle.surplus_allowed = self.cluster_oracle.log_lost = True
        self.saboteur.disowns = False

    # ---- oracles -----------------------------------------------------------------------------------------------

    def _called(self, command: Command, outcome: Outcome | None, life: Life) -> None:
        try:
            self.cluster_oracle.called(command, outcome, late=life is not self.lives[-1] or not life.alive)
        except Violation as violation:
            # Raised in the controller's own call it might be taken for a fault of the cluster: the run must end.
            self._violation = violation
            self._woken.set()

    def _told(self, change: StoreChange) -> None:
        self.cluster_oracle.told(change)
        if self._finished() and (self.faults.active or self._at_rest()):
            self._woken.set()

    def _check_log(self) -> None:
        head = self.ledger.heads.get(STREAM)
        if head is not self._logged:
            self._logged = head
            self.log_oracles[-1].check()
            self._require_live_state()

    def _crash_here(self) -> None:
        """A step of some task is about to be taken: the process may die instead."""
        life = self.lives[-1] if self.lives else None
        if life is not None and life.alive and self.faults.strikes(Fault.CRASH_AT_STEP):
            life.die(Fault.CRASH_AT_STEP)

    def _starve(self) -> None:
        """A step of some task is about to be taken: it may be this task's last for long."""
        if self.faults.strikes(Fault.TASK_STARVED):
            self._loop.starve(self.faults.draw.randint(1, STARVED_STEPS))

    def _apart(self, fault: Fault) -> float:
        """How far a machine's clock is ahead: not at all, unless this fault strikes."""
        return self.faults.draw.uniform(-APART_S, APART_S) if self.faults.strikes(fault) else 0.0

    def _require_live_state(self) -> None:
        """What the controller believes is the fold of its log, whenever all it believes is stored."""
        journal = self._controller._journal if self._controller is not None else None
        folded = self.log_oracles[-1].projection
        if journal is None or not self.lives[-1].alive or journal.projection.position != folded.position:
            return
        for state in journal.projection:
            stored = folded.states.get(state.uid)
            if stored is None or encode_state(state) != encode_state(stored):
                violated(f"the controller believes {state}, the log says {stored}")

    def _rule_of(self, uid: str) -> str:
        return next((oracle.rules[uid] for oracle in self.log_oracles if uid in oracle.rules), "")

    def _judgement_of(self, uid: str) -> str:
        return self.log_oracles[-1].judgements.get(uid, "")


class Process(NamedTuple):
    """A process of the controller: its life, and the task that stands for its threads."""

    life: Life
    task: asyncio.Task[None]


def first_of(error: BaseException) -> BaseException:
    """What went wrong first, out of the groups that task groups make."""
    while isinstance(error, BaseExceptionGroup):
        error = cast(BaseExceptionGroup[BaseException], error).exceptions[0]
    return error
