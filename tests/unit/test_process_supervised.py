"""Starting a container where the machine has no room for another process: said, and nothing is kept of the attempt."""

import os
from pathlib import Path

import pytest
from tests.unit.process_specs import container_spec

from podledger_adapters.nodes.process.shim.container import ContainerRun, Place
from podledger_adapters.nodes.process.shim.poller import Poller
from podledger_adapters.nodes.process.shim.record import PodRecord


def open_descriptors() -> set[str]:
    """The numbers of this process' open files, that of the listing itself apart."""
    return {path.name for path in Path("/dev/fd").iterdir() if path.exists()}


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_a_container_that_could_not_be_started_keeps_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    left = 1
    really = os.pipe

    def refuse() -> tuple[int, int]:
        nonlocal left
        if call == "pipe" and left:
            left -= 1
            return really()
        raise OSError("no more room")

    monkeypatch.setattr(os, call, refuse)
    place = Place(PodRecord(str(tmp_path), "uid"), [], -1, Poller(), [])
    before = open_descriptors()
    with pytest.raises(OSError, match="no more room"):
        ContainerRun(container_spec("main"), place, 0, lambda: None)
    assert open_descriptors() == before
