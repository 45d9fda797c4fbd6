"""The public suite of the Node port, played against the nodes of the adapters."""

import contextlib
import uuid
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.system.process_pods import end_all

from podledger.api import ObjectMeta, Pod, PodSpec
from podledger.clock import VirtualClock
from podledger.ports import Node
from podledger.testing.node import NodeConformance, SurvivingNodeConformance, Workload
from podledger_adapters.nodes.behaviour import PodRun
from podledger_adapters.nodes.process.node import ProcessNode
from podledger_adapters.nodes.simulated import SimulatedNode

COMMANDS: dict[Workload, list[str]] = {"succeed": ["true"], "fail": ["false"], "stay": ["sleep", "1000"]}
RUNS: dict[Workload, PodRun] = {
    "succeed": PodRun(duration_s=5),
    "fail": PodRun(duration_s=5, exit_code=1),
    "stay": PodRun(duration_s=1e9),
}


def pod_named(workload: Workload) -> Pod:
    """The pod's name says what it does; as a process its command does it."""
    uid = str(uuid.uuid4())
    containers = [{"name": "main", "image": "none", "command": COMMANDS[workload]}]
    base = {"restartPolicy": "Never", "containers": containers}
    return Pod(metadata=ObjectMeta(name=f"{workload}-{uid}", namespace="default", uid=uid), spec=PodSpec(base=base))


@pytest.mark.asyncio
class TestProcessNode(SurvivingNodeConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> Iterator[None]:
        self.root = tmp_path / "pods"
        yield
        end_all(self.root)

    def open_node(self) -> AbstractAsyncContextManager[Node]:
        return contextlib.nullcontext(ProcessNode(self.root))

    def make_pod(self, workload: Workload) -> Pod:
        return pod_named(workload)


@pytest.mark.asyncio
class TestSimulatedNode(NodeConformance):
    def open_node(self) -> AbstractAsyncContextManager[Node]:
        return contextlib.nullcontext(SimulatedNode(VirtualClock(), behaviour=lambda pod, _: RUNS[_workload(pod)]))

    def make_pod(self, workload: Workload) -> Pod:
        return pod_named(workload)


def _workload(pod: Pod) -> Workload:
    for workload in COMMANDS:
        if pod.metadata.name.startswith(workload):
            return workload
    raise ValueError(pod.metadata.name)
