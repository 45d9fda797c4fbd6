"""The pure half against recordings of Kubernetes 1.36.2: the same scenarios come to the same status, pods and Events.

The recordings are not part of the repository: they are looked for in $PODLEDGER_REFERENCE, then beside the checkout.
Without them these tests are skipped. Scenarios that need an API server's own work (refusals, garbage collection) or
other controllers are played where those are tested.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.job_recording import PLAYED, Recording, forgive_active

REFERENCE = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared"))
CONFORMANCE = REFERENCE / "conformance"
ELSEWHERE = ("cron-", "invalid-", "ttl-", "delete-", "managed-by-")

pytestmark = pytest.mark.skipif(
    not CONFORMANCE.exists(),
    reason=f"no recordings in {REFERENCE}; set PODLEDGER_REFERENCE to the folder that holds conformance/",
)


def read(folder: str, name: str) -> dict[str, Any]:
    """A scenario or its recording."""
    document: dict[str, Any] = json.loads((CONFORMANCE / folder / f"{name}.json").read_text(encoding="utf-8"))
    return document


def scenarios() -> list[str]:
    """The scenarios that the pure half can play alone."""
    if not CONFORMANCE.exists():
        return []
    names = sorted(path.stem for path in (CONFORMANCE / "scenarios").glob("*.json"))
    return [name for name in names if not name.startswith(ELSEWHERE) and is_played(read("scenarios", name)["steps"])]


def is_played(steps: list[dict[str, Any]]) -> bool:
    """Whether all steps can be played, and none asks for an API server's reply."""
    return all(step["do"] in PLAYED and not step.get("keep_reply") for step in steps)


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_comes_to_what_kubernetes_made_of_it(name: str) -> None:
    got = Recording().play(read("scenarios", name)["steps"])
    want = read("golden", name)["observations"]
    forgive_active(want, got)
    assert [seen["step"] for seen in got] == [seen["step"] for seen in want]
    for seen, recorded in zip(got, want, strict=True):
        for what in ("jobs", "pods", "events"):
            if what in recorded:
                assert seen[what] == recorded[what], f"{what} at {seen['step']!r}"
