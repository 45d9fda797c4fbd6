"""Rows 14 to 37 of the table: exactly-once counting, replacement, finishing while pods still run."""

from msgspec.structs import replace
from tests.unit.job_case import Row, World
from tests.unit.job_performer import START_S
from tests.unit.job_world import job, status, status_of_phase

from podledger.job import command as cmd
from podledger.job.outcome import Failed, Outcome, Unknown

__all__ = ["ROWS"]

BACKOFF = "FailureTarget=BackoffLimitExceeded"
MET = "SuccessCriteriaMet=CompletionsReached"


def refuse(kind: type[cmd.Command], code: int, *uids: str) -> "Refusal":
    """Answer commands of a kind with an error; all of them, or those about these pods."""
    return Refusal(kind, code, uids)


class Refusal:
    """Answers with an error."""

    def __init__(self, kind: type[cmd.Command], code: int, uids: tuple[str, ...]) -> None:
        self.kind, self.code, self.uids = kind, code, uids

    def __call__(self, command: cmd.Command) -> Outcome | None:
        if not isinstance(command, self.kind) or (self.uids and getattr(command, "uid", "") not in self.uids):
            return None
        return Failed(self.code, "Conflict" if self.code == 409 else "InternalError", "no")


def a_stale_view_counts_nothing(world: World) -> None:
    stale = world.pods["S1"]
    before = world.job.status
    assert before.succeeded == 1
    world.pods["S1"] = replace(
        stale, metadata=replace(stale.metadata, finalizers=("batch.kubernetes.io/job-tracking",))
    )
    world.put_pod(world.pods["S1"])
    world.sync()
    assert world.job.status == before


def completes_in_a_later_sync(world: World) -> None:
    assert not world.job.status.finished
    world.sync()
    assert world.job.status.is_true("Complete")


def replaced_after_ten_seconds(world: World) -> None:
    world.now += 9
    world.sync()
    assert world.job.status.active == 0
    world.now += 1
    world.sync()
    assert world.job.status.active == 1


def counted_once_failed_then_replaced(world: World) -> None:
    world.now += 40
    world.set_status("T1", status_of_phase("Failed", world.now))
    world.sync()
    assert (world.job.status.failed, world.job.status.terminating, world.job.status.active) == (1, 0, 0)
    replaced_after_ten_seconds(world)


def ends_as_a_success(world: World) -> None:
    world.set_status("T1", status_of_phase("Succeeded", world.now))
    world.sync()
    assert world.job.status.is_true("Complete")
    assert (world.job.status.succeeded, world.job.status.failed) == (1, 0)


def stays_a_failure_though_it_succeeds(world: World) -> None:
    world.set_status("T1", status_of_phase("Succeeded", world.now))
    world.sync()
    assert (world.job.status.succeeded, world.job.status.failed, world.job.status.terminating) == (0, 1, 0)


def fails_once_all_pods_ended_or_went(world: World) -> None:
    """Row 34."""
    world.set_status("R1", status_of_phase("Succeeded", world.now))
    world.remove_pod("R2")
    world.forget_calls()
    world.sync()
    final = world.job.status
    assert [c.type for c in final.conditions] == ["FailureTarget", "Failed"]
    assert final.conditions[1].reason == "BackoffLimitExceeded"
    assert (final.failed, final.succeeded, final.terminating) == (3, 0, 0)
    assert [notice.reason for notice in world.notices] == ["BackoffLimitExceeded"]


def next_sync_goes_on(world: World) -> None:
    world.answers = lambda _command: None
    world.sync()
    final = world.job.status
    assert [c.reason for c in final.conditions] == ["DeadlineExceeded"]
    assert (final.active, final.terminating, final.failed) == (0, 3, 3)


def one_create_is_lost(world: World) -> None:
    """Row 37: one pod was created, of another we do not know; then the deadline passes."""
    lost: list[str] = []

    def lose_second(command: cmd.Command) -> Outcome | None:
        if isinstance(command, cmd.CreatePod):
            lost.append(command.intent)
            if len(lost) == 2:
                return Unknown("timeout")
        return None

    world.answers = lose_second
    world.sync()
    world.answers = lambda _command: None
    assert world.job.status.active == 1
    world.now += 60


def concludes_once_the_create_is_given_up(world: World) -> None:
    assert world.wake_at == START_S + 300
    world.now = START_S + 300.0
    world.settle()
    assert [c.reason for c in world.job.status.conditions] == ["DeadlineExceeded"]
    assert (world.job.status.failed, world.job.status.terminating) == (1, 1)


ROWS = [
    Row(
        14,
        "uncounted.succeeded=[a], pod a gone",
        job(parallelism=0, completions=5, given=status(uncounted=(["a"], []))),
        status={"succeeded": 1},
        uncounted=("", ""),
        writes="PUT",
    ),
    Row(
        14,
        "uncounted.succeeded=[a], pod a without finalizer",
        job(parallelism=0, completions=5, given=status(uncounted=(["a"], []))),
        "a=S,nf",
        status={"succeeded": 1},
        uncounted=("", ""),
        writes="PUT",
    ),
    Row(
        15,
        "uncounted.failed=[a], a F with finalizer: not added again",
        job(parallelism=0, completions=5, given=status(uncounted=([], ["a"]))),
        "a=F",
        released="a",
        status={"failed": 1},
        writes="PATCH PUT",
    ),
    Row(
        16,
        "uncounted.failed=[b], b now Succeeded with finalizer",
        job(parallelism=0, completions=5, given=status(uncounted=([], ["b"]))),
        "b=S",
        released="b",
        status={"failed": 1, "succeeded": 0},
    ),
    Row(
        17,
        "uncounted.failed=[a gone, b F], 500 S: the settled entry leaves room for 499",
        job(parallelism=0, completions=1000, given=status(uncounted=([], ["a", "b"]))),
        "500S b=F",
        status={"failed": 1, "succeeded": 499},
        uncounted=(" ".join(f"S{n}" for n in range(1, 500)), "b"),
        released=" ".join(f"S{n}" for n in range(1, 500)),
        writes="PUT PATCH*499 PUT",
    ),
    Row(
        18,
        "1S 1F, the first status write conflicts: no finalizer is touched",
        job(parallelism=0, completions=5),
        "S F",
        answers=refuse(cmd.PublishStatus, 409),
        released="",
        writes="PUT",
    ),
    Row(
        19,
        "1S 1F, all releases fail: both stay listed",
        job(parallelism=0, completions=5),
        "S F",
        answers=refuse(cmd.ReleasePod, 500),
        uncounted=("S1", "F1"),
        status={"succeeded": 0, "failed": 0},
        writes="PUT PATCH*2",
    ),
    Row(
        20,
        "uncounted.succeeded=[a] without finalizer, new S and F, releases fail: one write",
        job(parallelism=0, completions=5, given=status(uncounted=(["a"], []))),
        "a=S,nf c=S d=F",
        answers=refuse(cmd.ReleasePod, 500),
        uncounted=("c", "d"),
        status={"succeeded": 1, "failed": 0},
        writes="PUT PATCH*2",
    ),
    Row(
        21,
        "the release finds no pod: taken as released",
        job(parallelism=0, completions=5),
        "S",
        given=lambda world: world.pods.clear(),
        status={"succeeded": 1},
        writes="PUT PATCH PUT",
    ),
    Row(
        22,
        "S pod without finalizer, not listed: ignored",
        job(parallelism=0, completions=5),
        "S,nf",
        status={"succeeded": 0},
        writes="PUT",
    ),
    Row(
        23,
        "S pod still shows the finalizer that we took off: not counted twice",
        job(parallelism=0, completions=5),
        "S",
        then=a_stale_view_counts_nothing,
    ),
    Row(
        24,
        "Indexed C501, all 501 S: all counted at once, 500 released",
        job(parallelism=501, completions=501, completion_mode="Indexed"),
        " ".join(f"S@{index}" for index in range(501)),
        status={"completed_indexes": "0-500", "succeeded": 501},
        conditions=(MET,),
        writes="PUT PATCH*500",
        then=completes_in_a_later_sync,
    ),
    Row(
        25,
        "PRP TerminatingOrFailed, P1 C1: the R is being deleted",
        job(parallelism=1, completions=1),
        "T,new",
        released="T1",
        status={"failed": 1, "terminating": 1, "active": 0},
        wake_s=10,
        then=replaced_after_ten_seconds,
    ),
    Row(
        26,
        "PRP Failed, P1 C1: the R is being deleted, then ends Failed",
        job(parallelism=1, completions=1, pod_replacement_policy="Failed"),
        "T,new",
        released="",
        status={"failed": 0, "terminating": 1, "active": 0},
        then=counted_once_failed_then_replaced,
    ),
    Row(
        27,
        "PRP Failed: the same pod ends Succeeded",
        job(parallelism=1, completions=1, pod_replacement_policy="Failed"),
        "T,new",
        status={"failed": 0, "terminating": 1},
        then=ends_as_a_success,
    ),
    Row(
        28,
        "PRP TerminatingOrFailed: T counted failed, then Succeeded",
        job(parallelism=1, completions=1),
        "T,new",
        status={"failed": 1},
        then=stays_a_failure_though_it_succeeds,
    ),
    Row(
        29,
        "PRP Failed, P1 C1, 2R 4T",
        job(parallelism=1, completions=1, pod_replacement_policy="Failed"),
        "2R 4T",
        deleted=1,
        status={"active": 1, "terminating": 5},
    ),
    Row(
        30,
        "PRP TerminatingOrFailed, P1 C1, 1R 1F 1T",
        job(parallelism=1, completions=1),
        "R F T",
        status={"failed": 2, "active": 1, "terminating": 1},
    ),
    Row(
        30,
        "PRP Failed, P1 C1, 1R 1F 1T",
        job(parallelism=1, completions=1, pod_replacement_policy="Failed"),
        "R F T",
        status={"failed": 1, "active": 1, "terminating": 1},
    ),
    Row(
        31,
        "Indexed P2 C5, PRP Failed, one T without index",
        job(parallelism=2, completions=5, completion_mode="Indexed", pod_replacement_policy="Failed"),
        "T",
        created=(0,),
        status={"active": 1, "terminating": 1},
    ),
    Row(
        33,
        "NonIndexed BL0 P2 C3, 1F 2R ready: Failed is withheld; row 34: later both ended or gone",
        job(parallelism=2, completions=3, backoff_limit=0),
        "F 2R,ready",
        deleted="R1 R2",
        released="F1 R1 R2",
        status={"failed": 3, "active": 0, "ready": 0, "terminating": 2},
        conditions=(BACKOFF,),
        writes="DELETE*2 PUT PATCH*3 PUT",
        then=fails_once_all_pods_ended_or_went,
    ),
    Row(
        35,
        "Indexed BL0 C3: 0 S, 1 F, 2 R",
        job(parallelism=3, completions=3, completion_mode="Indexed", backoff_limit=0),
        "S@0 F@1 R@2",
        deleted="R@2",
        status={"succeeded": 1, "completed_indexes": "0", "failed": 2, "terminating": 1},
        conditions=(BACKOFF,),
    ),
    Row(
        36,
        "finish decided, 1 of 3 deletes fails: no condition yet",
        job(parallelism=3, completions=3, given=status(), active_deadline_seconds=1),
        "3R,ready",
        answers=refuse(cmd.DeletePod, 500, "R2"),
        deleted="R1 R3",
        status={"active": 1, "terminating": 2, "ready": 0, "failed": 0},
        conditions=(),
        then=next_sync_goes_on,
    ),
    Row(
        37,
        "finish decided, a create still unobserved: no condition yet",
        job(parallelism=2, completions=3, active_deadline_seconds=60),
        given=one_create_is_lost,
        deleted=1,
        status={"active": 0, "terminating": 1},
        conditions=(),
        then=concludes_once_the_create_is_given_up,
    ),
]
