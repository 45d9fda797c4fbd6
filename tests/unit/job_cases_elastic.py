"""Rows 73 to 78 of the table: Indexed Jobs that change size, pods of wrong or double index."""

from msgspec.structs import replace
from tests.unit.job_case import Row, World
from tests.unit.job_world import job, status

from podledger.job import command as cmd

__all__ = ["ROWS"]


def scale(world: World, to: int) -> None:
    """Set completions and parallelism together, as Kubernetes demands."""
    world.change_job(spec=replace(world.job.spec, completions=to, parallelism=to))


def forgotten_indexes_run_again(world: World) -> None:
    """Row 74."""
    scale(world, 3)
    world.forget_calls()
    world.sync()
    assert [c.pod.spec.hostname for c in world.commands if isinstance(c, cmd.CreatePod)] == ["job-1", "job-2"]


def complete_later(world: World) -> None:
    world.remove_pod("R@1")
    world.sync()
    assert world.job.status.is_true("Complete")
    assert world.job.status.failed == 0


ROWS = [
    Row(
        73,
        "Indexed C=P 3 to 1, completed 1,2, 0 R; row 74: then C=P=3",
        job(
            parallelism=3,
            completions=3,
            completion_mode="Indexed",
            given=status(succeeded=2, completed_indexes="1,2"),
        ),
        "R@0",
        given=lambda world: scale(world, 1),
        status={"completed_indexes": "", "succeeded": 0, "active": 1},
        conditions=(),
        then=forgotten_indexes_run_again,
    ),
    Row(
        75,
        "Indexed C=P 2 to 1: 0 S, 1 R",
        job(parallelism=2, completions=2, completion_mode="Indexed"),
        "S@0 R@1",
        given=lambda world: scale(world, 1),
        deleted="R@1",
        status={"terminating": 1, "failed": 0, "completed_indexes": "0"},
        conditions=("SuccessCriteriaMet=CompletionsReached",),
        then=complete_later,
    ),
    Row(
        76,
        "Indexed P2 C5: R,S,F without index; R,S,F,P of invalid index; 0 S; 1,2 R",
        job(parallelism=2, completions=5, completion_mode="Indexed"),
        "R S F R@x S@x F@x P@x S@0 R@1 R@2",
        deleted="R1 R@x P@x",
        released="R1 S1 F1 R@x S@x F@x P@x S@0",
        status={"active": 2, "succeeded": 1, "failed": 0},
    ),
    Row(
        77,
        "Indexed P5 C5: 0 S, 1 R, 2 R, 2 P, one R without index: creation waits",
        job(parallelism=5, completions=5, completion_mode="Indexed"),
        "S@0 R@1 R@2 P@2 R",
        deleted="P@2 R1",
        status={"active": 2},
    ),
    Row(
        78,
        "Indexed P2 C5: 5 R, 7 P, 6 S, 8 F, 0 S",
        job(parallelism=2, completions=5, completion_mode="Indexed"),
        "R@5 P@7 S@6 F@8 S@0",
        deleted="R@5 P@7",
        status={"active": 0, "succeeded": 1, "failed": 0},
    ),
]
