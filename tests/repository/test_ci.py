"""What the gate (.ci/run) promises: that it says what was skipped, and loses no tests that it could have run."""

import os
import shutil
from pathlib import Path

import pytest
from tests.system.serving import KUBECTL_FAULT, kubectl_fault


def a_kubectl(minor: str) -> str:
    """What the kubectl of a release prints."""
    return f'''echo '{{"clientVersion": {{"major": "1", "minor": "{minor}"}}}}' '''


@pytest.mark.skipif(not os.environ.get("CI"), reason="only the gate promises it; set CI=true")
def test_a_kubectl_that_is_there_is_one_that_the_tests_can_use() -> None:
    assert shutil.which("kubectl") is None or not KUBECTL_FAULT


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (a_kubectl("36"), ""),
        (a_kubectl("28+"), ""),
        (a_kubectl("20"), "is 1.20, the tests need 1.28 or newer"),
        ("echo v1.36", "does not run: "),
        ("exit 1", "does not run: "),
    ],
)
def test_a_kubectl_is_asked_for_its_version(tmp_path: Path, says: str, fault: str) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n{says}\n")
    kubectl.chmod(0o700)
    found = kubectl_fault(str(kubectl))
    assert fault in found
    assert bool(found) == bool(fault)


def test_where_there_is_no_kubectl_it_is_said_which_to_install() -> None:
    assert kubectl_fault(None).startswith("there is no kubectl; install 1.28 or newer")
