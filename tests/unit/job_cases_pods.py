"""Rows 1 to 13 of the table in `test_job_cases.py`: how many pods are created and deleted."""

from msgspec.structs import replace
from tests.unit.job_case import Row, World, published
from tests.unit.job_performer import START_S, at
from tests.unit.job_world import job, status_of_phase

from podledger.job import command as cmd
from podledger.job.outcome import Failed, Outcome

__all__ = ["ROWS"]

BACKOFF = "FailureTarget=BackoffLimitExceeded"
MET = "SuccessCriteriaMet=CompletionsReached"
COMPLETE = "Complete=CompletionsReached"


class Quota:
    """Lets so many pods be created."""

    def __init__(self, pods: int) -> None:
        self.left = pods

    def __call__(self, command: cmd.Command) -> Outcome | None:
        if not isinstance(command, cmd.CreatePod):
            return None
        self.left -= 1
        return None if self.left >= 0 else Failed(403, "Forbidden", "exceeded quota")


def started_now(world: World) -> None:
    assert world.job.status.start_time == at(START_S)


def the_rest_is_created(world: World) -> None:
    assert world.wake_at == world.now, "the next sync must be asked for: our own creates cause none"
    world.sync()
    assert world.job.status.active == 600


def five_creates_were_refused_and_85_not_tried(world: World) -> None:
    assert [notice.reason for notice in world.notices].count("FailedCreate") == 5
    made = [command for command in world.commands if isinstance(command, cmd.CreatePod)]
    tried = [outcome for outcome in world.outcomes if isinstance(outcome, Failed)]
    assert (len(made), len(tried)) == (100, 5)


def first_write_has_no_terminal_condition(world: World) -> None:
    assert [c.type for c in published(world)[0].conditions] == ["SuccessCriteriaMet"]


def closes_once_the_pod_ended(world: World) -> None:
    world.set_status("R1", status_of_phase("Failed", world.now))
    world.settle()
    assert world.job.status.is_true("Complete")
    assert (world.job.status.succeeded, world.job.status.failed) == (1, 1)


ROWS = [
    Row(
        1,
        "NonIndexed P2 C5, no pods",
        job(parallelism=2, completions=5),
        created=2,
        status={"active": 2, "ready": 0, "terminating": 0},
        writes="POST*2 PUT",
        then=started_now,
    ),
    Row(2, "NonIndexed P2, no completions, no pods", job(parallelism=2), created=2),
    Row(
        3,
        "NonIndexed P2 C5, 1R 1S",
        job(parallelism=2, completions=5),
        "R S",
        created=1,
        status={"active": 2, "succeeded": 1},
        writes="POST PUT PATCH PUT",
        uncounted=("S1", ""),
    ),
    Row(
        4,
        "NonIndexed P3 C4, 3R 2S",
        job(parallelism=3, completions=4),
        "3R 2S",
        deleted=1,
        status={"active": 2, "succeeded": 2, "terminating": 1, "failed": 0},
    ),
    Row(
        5,
        "NonIndexed P2 C5, 10R",
        job(parallelism=2, completions=5),
        "10R",
        deleted=8,
        status={"active": 2, "terminating": 8, "failed": 0},
    ),
    Row(
        6,
        "P0 C5, 3R: all deleted, the Job stays open",
        job(parallelism=0, completions=5),
        "3R",
        deleted=3,
        status={"active": 0, "failed": 0},
        conditions=(),
    ),
    Row(
        7,
        "C0: complete in one sync, by two writes",
        job(parallelism=1, completions=0),
        conditions=(MET, COMPLETE),
        writes="PUT*2",
        then=first_write_has_no_terminal_condition,
    ),
    Row(
        8,
        "work queue P2, 1R 1S: open until the R ends",
        job(parallelism=2),
        "R S",
        status={"active": 1, "succeeded": 1},
        conditions=(),
        then=closes_once_the_pod_ended,
    ),
    Row(
        9,
        "work queue P2 BL6, 1S 1F",
        job(parallelism=2),
        "S F",
        status={"succeeded": 1, "failed": 1},
        conditions=(MET, COMPLETE),
        writes="PUT PATCH*2 PUT",
    ),
    Row(
        10,
        "work queue P5 lowered to 1, 1S 4R: nothing deleted",
        job(parallelism=5),
        "S 4R",
        given=lambda world: world.change_job(spec=replace(world.job.spec, parallelism=1)),
        status={"active": 4},
    ),
    Row(
        11,
        "work queue BL0, 1S 1F: failure outranks success",
        job(parallelism=2, backoff_limit=0),
        "S F",
        status={"succeeded": 1, "failed": 1},
        conditions=(BACKOFF, "Failed=BackoffLimitExceeded"),
    ),
    Row(
        12,
        "NonIndexed P600 C1000: 500 a sync",
        job(parallelism=600, completions=1000),
        created=500,
        then=the_rest_is_created,
    ),
    Row(
        13,
        "P100, quota of 10 pods: slow start stops in the batch of 8",
        job(parallelism=100),
        answers=Quota(10),
        created=10,
        status={"active": 10},
        then=five_creates_were_refused_and_85_not_tried,
    ),
]
