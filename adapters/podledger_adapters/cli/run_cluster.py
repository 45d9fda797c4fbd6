"""The clusters that `podledger run` offers: processes of this machine, or pods simulated in memory.

How they work is `podledger_adapters.local` and `nodes/`; here is only which parts make which, imported when used.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.clock import RealClock, VirtualClock
from podledger.errors import InputError
from podledger.ports import Clock, Node
from podledger_adapters.cli.pod_logs import LogSource
from podledger_adapters.cli.preflight import PodCheck
from podledger_adapters.store import ObjectStore
from podledger_adapters.workspace import Workspace

__all__ = ["ClusterKind", "RunCluster", "catch_up", "make_cluster", "pod_check", "pod_remarks", "require_own_pods"]

ClusterKind = Literal["process", "memory"]


class RunCluster(NamedTuple):
    """What a cluster is made of. `logs` is None where pods write nothing."""

    clock: Clock
    node: Node
    logs: LogSource | None


def pod_check(kind: ClusterKind) -> PodCheck | None:
    """What finds pods that this cluster's node cannot run; None where it runs all."""
    if kind == "memory":
        return None
    from podledger_adapters.nodes.process.check import check_pod_spec

    return check_pod_spec


def pod_remarks(kind: ClusterKind, pod_specs: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """What to say once before a cluster of this kind runs pods of these specs."""
    if kind == "memory":
        return ()
    from podledger_adapters.nodes.process.check import remarks

    return remarks(pod_specs)


def make_cluster(kind: ClusterKind, workspace: Workspace, *, max_pods: int | None, env: Sequence[str]) -> RunCluster:
    """The parts of a cluster. Raises InputError for an `env` that names no variable."""
    if kind == "memory":
        from podledger_adapters.nodes.simulated import SimulatedNode

        clock = VirtualClock()
        return RunCluster(clock, SimulatedNode(clock, capacity=max_pods), None)
    from podledger_adapters.nodes.process.node import DEFAULT_MAX_PODS, ProcessNode

    node = ProcessNode(
        workspace.pods,
        capacity=max_pods or DEFAULT_MAX_PODS,
        # Pods of a named ledger run on when podledger is killed; nobody would find those of a temporary one.
        survive=not workspace.temporary,
        pass_env=env,
    )
    return RunCluster(RealClock(), node, node)


def catch_up(clock: Clock, store: ObjectStore) -> None:
    """Let virtual time go on where an earlier run of this ledger left it, so that it never goes back."""
    if not isinstance(clock, VirtualClock):
        return
    times = [each.metadata.creation_timestamp for each in store.objects()]
    times += [condition.last_transition_time for job in store.table(Job) for condition in job.status.conditions]
    latest_s = max((time.timestamp() for time in times if time is not None), default=0.0)
    if latest_s > clock.now():
        clock.set_wall(latest_s)


def require_own_pods(ledger: Path, pods: Iterable[Pod], node: str) -> None:
    """Raise InputError if pods that have not ended run on another node than ours: here nobody would ever end them."""
    for pod in pods:
        if pod.spec.node_name not in ("", node) and pod.status.phase not in ("Succeeded", "Failed"):
            raise InputError(
                f"{ledger}: its pod {pod.metadata.name} runs on node {pod.spec.node_name}, and this is node {node}: go "
                f"on with the --cluster it was begun with and with {ledger.name}.pods beside it, or use another --db"
            )
