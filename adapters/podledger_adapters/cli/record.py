"""`podledger record`: its flags and its help, and the run. What is recorded is `podledger.recorder`'s matter."""

import logging
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import anyio
from cyclopts import App, Parameter

from podledger.clock import RealClock
from podledger.log.sqlite import SqliteLog
from podledger.ports import Clock
from podledger.recorder import Recorder
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.namespace_name import check_namespaces
from podledger_adapters.cli.stopping import run_until_stopped
from podledger_adapters.cli.structured_log import LogFormat, set_up_logging
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.kubeconfig import load_access
from podledger_adapters.kubernetes.permissions import require_reads
from podledger_adapters.workspace import Workspace

__all__ = ["app", "record_command", "say_progress"]

logger = logging.getLogger(__name__)

SAY_S = 60.0
"""How often it is said how far the recording has come, if it came further."""

MOST_QUIET = 10
"""After as many times at which nothing had happened it is said all the same: the recorder is alive."""

HELP = """Record what happens to the Jobs of a Kubernetes cluster into a ledger.

Whichever controller runs them: this one only looks on, with get, list and
watch. Jobs, CronJobs and pods are recorded, and the Kubernetes Events about
them. The ledger is replayed as that of podledger's own controller. Recorded
into again, it goes on, and says where something may be missing."""

EXAMPLES = """Examples:
  podledger record --db prod.db                     of the current context
  podledger record --db prod.db --namespace batch   of one namespace
  podledger log info prod.db                        how much there is by now

Once a minute it says how far it has come, if anything happened. A lost
connection is made again for as long as it takes; what happened meanwhile is
seen by its result, behind a gap in the ledger.

Exit codes: 130 after Ctrl-C, 143 after SIGTERM, 2 wrong usage, 3 the cluster
cannot be reached or forbids what is needed, or the ledger cannot be used."""

app = App(name="record", help=HELP, usage="Usage: podledger record --db PATH [OPTIONS]", help_epilogue=EXAMPLES)


@app.default
def record_command(
    *,
    db: Annotated[str, Parameter(help="The ledger, a file; made where there is none.")],
    kubeconfig: Annotated[Path | None, Parameter(help="Default: KUBECONFIG, ~/.kube/config, or in-cluster.")] = None,
    context: Annotated[str | None, Parameter(help="The kubeconfig's context to use.")] = None,
    namespace: Annotated[
        tuple[str, ...], Parameter(negative="", show_default=False, help="Only of this one; repeatable.")
    ] = (),
    log_format: Annotated[LogFormat, Parameter(help="How stderr is written.")] = "text",
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Parameter(help="What is logged.")] = "info",
) -> ExitCode:
    """Record until told to stop; the exit code. Raises PodledgerError."""
    check_namespaces("--namespace", namespace)
    set_up_logging(log_format, log_level)
    work = partial(run_recorder, load_access(kubeconfig, context), Workspace(db), namespace)
    return anyio.run(run_until_stopped, work)


async def run_recorder(access: Access, workspace: Workspace, namespaces: tuple[str, ...]) -> None:
    """Record for ever. Raises PodledgerError."""
    clock = RealClock()
    # Nothing is ever written: not even by a fault of ours.
    cluster = KubernetesCluster(access, clock=clock, namespaces=namespaces, may_write=lambda: False)
    async with cluster:
        await require_reads(cluster.client, namespaces)  # a ledger is made only where there will be something in it
        async with SqliteLog.open(workspace.ledger, clock=clock) as log, anyio.create_task_group() as tasks:
            recorder = Recorder(cluster, log, clock=clock)
            where = f"namespaces {', '.join(namespaces)} of {access.server}" if namespaces else access.server
            logger.info("recording %s into %s", where, workspace.ledger)
            tasks.start_soon(say_progress, recorder, clock)
            try:
                await recorder.run()
            finally:
                logger.info("%d events in %s", recorder.events, workspace.ledger)


async def say_progress(recorder: Recorder, clock: Clock) -> None:
    """Tell users that the recorder is at work, and how much there is by now; for ever."""
    await recorder.listed.wait()
    logger.info("listed: %s; what happens from now on is seen as it happens", _extent(recorder))
    said, quiet = recorder.events, 0
    while True:
        await clock.sleep_until(clock.now() + SAY_S)
        quiet = 0 if recorder.events > said else quiet + 1
        if quiet % MOST_QUIET == 0:
            logger.info("%d new events; %s", recorder.events - said, _extent(recorder))
            said = recorder.events


def _extent(recorder: Recorder) -> str:
    return f"{recorder.events} events in all, {recorder.jobs} Jobs and {recorder.pods} of their pods there"
