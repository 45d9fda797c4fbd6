"""Whose pods a ledger's are, and what is no ledger's path."""

from pathlib import Path

import pytest

from podledger.api import Pod
from podledger.api.meta import ObjectMeta
from podledger.api.pod import PodSpec, PodStatus
from podledger.errors import InputError
from podledger_adapters.cli.run_cluster import require_own_pods
from podledger_adapters.workspace import Workspace


def pod_on(node: str, phase: str) -> Pod:
    """A pod bound to a node."""
    meta = ObjectMeta(name="a-1", namespace="default", uid="u")
    return Pod(metadata=meta, spec=PodSpec(base={}, node_name=node), status=PodStatus(phase=phase))


def test_pods_that_nobody_here_would_end_are_refused() -> None:
    with pytest.raises(InputError, match=r"jobs\.db: its pod a-1 runs on node there, and this is node here: .*--db"):
        require_own_pods(Path("jobs.db"), [pod_on("there", "Running")], "here")


@pytest.mark.parametrize(("node", "phase"), [("here", "Running"), ("", "Pending"), ("there", "Succeeded")])
def test_ours_those_nobody_has_yet_and_those_that_ended_are_fine(node: str, phase: str) -> None:
    with pytest.raises(InputError, match="its pod a-1 runs on node away"):
        require_own_pods(Path("jobs.db"), [pod_on(node, phase), pod_on("away", "Pending")], "here")


@pytest.mark.parametrize("db", ["", ".", "/"])
def test_a_path_without_a_name_is_no_ledger(db: str) -> None:
    with pytest.raises(InputError, match=r"--db .*names no file; give a path such as jobs\.db"):
        Workspace(db)
