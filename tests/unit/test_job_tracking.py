"""Exactly-once counting: the cap of a sync, full lists, crashes between writes (KEP-2307)."""

from msgspec.structs import replace
from tests.unit.job_case import done, order_of_writes, published, uids
from tests.unit.job_performer import JOB_UID, Performer
from tests.unit.job_world import job, pods_of, status, status_of_phase, success_policy

from podledger.api.job import JobStatus
from podledger.job import command as cmd
from podledger.job.event import DeleteIntended, PodCounted, PodTerminating
from podledger.job.limits import Limits
from podledger.job.observation import observe_job, observe_pod
from podledger.job.outcome import Outcome, Unknown

SMALL = Limits(uncounted_pods=3)


def world_of(pods: str, *, given: JobStatus | None = None, limits: Limits = SMALL, **spec: object) -> Performer:
    """A Job that creates nothing, and its pods."""
    fields: dict[str, object] = {"parallelism": 0, "completions": 50, **spec}
    world = Performer(job(restart="Never", given=given, **fields), limits=limits)
    world.observe_job()
    for pod in pods_of(pods).values():
        world.put_pod(pod)
    return world


def listed(status_: JobStatus) -> tuple[int, int]:
    """The lengths of the two uncounted lists."""
    uncounted = status_.uncounted_terminated_pods
    assert uncounted is not None
    return len(uncounted.succeeded), len(uncounted.failed)


def test_a_sync_takes_its_share_and_asks_for_the_next() -> None:
    world = world_of("5S 2F", backoff_limit=9)
    world.sync()
    assert order_of_writes(world) == "PUT PATCH*3 PUT"
    assert world.wake_at == world.now
    world.settle()
    assert (world.job.status.succeeded, world.job.status.failed) == (5, 2)
    assert max(sum(listed(each)) for each in published(world)) == 3


def test_lists_found_full_drain_at_once_and_one_more_is_taken() -> None:
    world = world_of("S a=S b=S c=S", given=status(uncounted=(["a", "b", "c"], [])))
    world.sync()
    assert uids(done(world, cmd.ReleasePod)) >= {"a", "b", "c"}
    world.settle()
    assert world.job.status.succeeded == 4
    assert max(sum(listed(each)) for each in published(world)) <= 4


def indexed(pods: str, *, given: JobStatus | None = None, **spec: object) -> Performer:
    """An Indexed Job that creates nothing unless told to, and its pods."""
    return world_of(pods, given=given, limits=SMALL, **{"completions": 9, "completion_mode": "Indexed", **spec})


def test_successes_of_an_index_completed_before_do_not_count_toward_the_share() -> None:
    pods = "a=S@0 b=S@0 c=S@0 d=S@0 e=S@1 f=S@2"
    world = indexed(pods, given=status(succeeded=1, completed_indexes="0"))
    world.sync()
    assert uids(done(world, cmd.ReleasePod)) == {"a", "b", "c", "d", "e", "f"}


def test_several_successes_of_one_new_index_do() -> None:
    world = indexed("a=S@0 b=S@0 c=S@0 d=S@0 e=S@1")
    world.sync()
    assert uids(done(world, cmd.ReleasePod)) == {"a", "b", "c"}
    assert world.job.status.completed_indexes == "0,1"


def test_indexed_results_are_released_in_the_order_of_their_indexes_those_without_first() -> None:
    world = indexed("S@5 F@1 S@3 F@x", backoff_limit=9)
    world.sync()
    assert [c.uid for c in world.commands if isinstance(c, cmd.ReleasePod)] == ["F@x", "F@1", "S@3", "S@5"]


def test_a_crash_after_the_first_write_counts_nothing_twice() -> None:
    """The second write was never made; a controller that lost everything takes over."""
    world = world_of("2S F", backoff_limit=9)

    def stop_before_the_releases(command: cmd.Command) -> Outcome | None:
        return Unknown("crash") if isinstance(command, cmd.ReleasePod) else None

    world.answers = stop_before_the_releases
    world.sync()
    assert listed(world.job.status) == (2, 1)
    after = Performer(world.job)
    after.job, after.pods = world.job, world.pods
    after.apply(observe_job(None, after.job))
    for pod in after.pods.values():
        after.apply(observe_pod(after.state, pod))
    after.settle()
    assert (after.job.status.succeeded, after.job.status.failed) == (2, 1)
    assert not [event for event in after.events if isinstance(event, PodCounted)]


def test_a_pod_that_another_controller_counted_and_that_is_shown_late_is_not_counted_again() -> None:
    world = world_of("", given=status(uncounted=(["a"], ["b"])))
    world.change_job(status=status(succeeded=1, failed=1))
    for pod in pods_of("a=S b=F").values():
        world.put_pod(pod)
    world.settle()
    assert not [event for event in world.events if isinstance(event, PodCounted)]
    assert (world.job.status.succeeded, world.job.status.failed) == (1, 1)
    assert uids(done(world, cmd.ReleasePod)) == {"a", "b"}


def test_completions_may_change_while_pods_are_deleted_to_finish_the_job() -> None:
    world = indexed("R@0 R@3", completions=2, parallelism=2)
    world.apply([DeleteIntended(JOB_UID, "R@3", "DeadlineExceeded", False)])
    world.change_job(spec=replace(world.job.spec, completions=4, parallelism=4))
    assert (world.state.finishing, world.state.tally.active) == ({}, 2)
    assert list(world.state.tally.holders) == [0, 3]


def test_a_pod_deleted_to_finish_the_job_is_no_failure_though_the_watch_shows_it_before_the_answer() -> None:
    """PRP TerminatingOrFailed calls a terminating pod a failure, but not one that the success policy had us delete."""
    world = indexed("S@0 R@1", parallelism=2, success_policy=success_policy("0"))

    def show() -> None:
        for uid, pod in world.pods.items():
            if uid in world.state.pods:
                world.apply(observe_pod(world.state, pod))

    world.before_answer = show
    world.sync()
    assert any(isinstance(event, PodTerminating) for event in world.events)
    assert (world.job.status.failed, world.job.status.terminating) == (0, 1)
    assert world.job.status.is_true("SuccessCriteriaMet")


def test_an_outcome_decided_but_refused_is_decided_again_from_what_is_there_then() -> None:
    """A suspension whose write failed, and a resumption before the next: as if it had never been."""
    world = world_of("R", given=status(), parallelism=1, suspend=True)
    refused = [True]

    def refuse(command: cmd.Command) -> Outcome | None:
        return Unknown("timeout") if isinstance(command, cmd.PublishStatus) and refused.pop() else None

    world.answers = refuse
    world.sync()
    refused.append(False)
    world.answers = lambda _command: None
    world.change_job(spec=replace(world.job.spec, suspend=False))
    world.sync()
    assert world.job.status.conditions == ()
    assert world.job.status.start_time == status().start_time


def test_somebody_elses_status_ends_the_sync_before_it_overwrites_it() -> None:
    world = world_of("S")
    interrupted = [True]

    def interrupt() -> None:
        if interrupted.pop() and not interrupted:
            world.change_job(status=replace(world.job.status, failed=7))
            interrupted.append(False)
        else:
            interrupted.append(False)

    world.between = interrupt
    world.sync()
    assert order_of_writes(world) == ""
    world.settle()
    assert (world.job.status.failed, world.job.status.succeeded) == (7, 1)


def test_a_status_of_a_restored_backup_is_brought_up_to_date() -> None:
    world = world_of("S", completions=1)
    before = world.job.status
    world.sync()
    assert world.job.status.is_true("Complete")
    world.change_job(status=before)
    world.settle()
    assert world.job.status.is_true("Complete")
    assert world.job.status.succeeded == 1


def test_a_terminating_pod_that_is_counted_never_counts_again_however_it_ends() -> None:
    world = world_of("T")
    world.settle()
    assert world.job.status.failed == 1
    for phase in ("Running", "Failed", "Succeeded", "Failed"):
        world.set_status("T1", status_of_phase(phase, world.now))
        world.settle()
    assert (world.job.status.failed, world.job.status.succeeded) == (1, 0)


def test_a_success_of_an_index_that_failed_for_good_counts_for_nothing() -> None:
    world = world_of(
        "a=F@0(1) b=R@0(1)", parallelism=1, completion_mode="Indexed", completions=3, backoff_limit_per_index=1
    )
    world.settle()
    assert world.job.status.failed_indexes == "0"
    world.set_status("b", status_of_phase("Succeeded", int(world.now)))
    world.settle()
    assert (world.job.status.completed_indexes, world.job.status.failed_indexes) == ("", "0")
    judged = [event for event in world.events if isinstance(event, PodCounted) and event.pod == "b"]
    assert [(event.as_, event.rule) for event in judged] == [("none", "index failed before")]


def test_each_write_of_a_sync_shows_the_pods_as_its_first_one_did() -> None:
    """Pods that are gone as soon as they are released: users see them terminate before the Job has failed."""
    world = world_of("F@0 P@1 P@2", parallelism=3, completions=3, completion_mode="Indexed", backoff_limit=0)
    world.between = lambda: world.reap(kubelet=False)
    for wanted in ([(2, 0), (2, 3)], [(0, 3), (0, 3)]):
        world.forget_calls()
        world.sync()
        assert [(each.terminating, each.failed) for each in published(world)] == wanted
    assert [each.type for each in world.job.status.conditions] == ["FailureTarget", "Failed"]
