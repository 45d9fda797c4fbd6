"""The status that another controller writes, and its pods, as two watches show them: the fold comes to its counts."""

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.reflector_world import job, listed, pod
from tests.unit.test_event_homes import Recording

from podledger.api.job import Job, JobStatus, UncountedTerminatedPods
from podledger.api.pod import Pod
from podledger.ports import Seen

PHASES = ("Succeeded", "Failed")


def history(ends: Sequence[bool], shares: Sequence[int]) -> tuple[list[Job], list[Pod]]:
    """What a controller writes of pods that end so (True: succeeded), taking so many into each status (KEP-2307).

    The Job's states, and all states of its pods, each in the order in which they were written.
    """
    version = 10
    jobs: list[Job] = []
    pods: list[Pod] = []
    counted: list[int] = [0, 0]
    shown: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    waiting = list(enumerate(ends))

    def write(uncounted: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
        nonlocal version
        version += 1
        now = JobStatus(
            succeeded=counted[0],
            failed=counted[1],
            uncounted_terminated_pods=UncountedTerminatedPods(succeeded=uncounted[0], failed=uncounted[1]),
        )
        jobs.append(replace(job("j", version, completions=99, backoff_limit=99), status=now))

    def touch(number: int, held: bool) -> None:
        nonlocal version
        version += 1
        pods.append(pod(f"p{number}", version, "j", held=held, phase=PHASES[not ends[number]]))

    for number in range(len(ends)):
        touch(number, held=True)
    for share in [*shares, len(ends)]:
        taken, waiting = waiting[:share], waiting[share:]
        # Those that the last status listed are free of the finalizer by now, and move to the counters.
        counted = [counted[at] + len(shown[at]) for at in (0, 1)]
        shown = (
            tuple(f"p{number}" for number, succeeded in taken if succeeded),
            tuple(f"p{number}" for number, succeeded in taken if not succeeded),
        )
        write(shown)
        for number, _ in taken:
            touch(number, held=False)
    counted = [counted[at] + len(shown[at]) for at in (0, 1)]
    write(((), ()))
    return jobs, pods


@given(
    st.lists(st.booleans(), min_size=1, max_size=8),
    st.lists(st.integers(1, 3), max_size=4),
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40),
)
@example([True, True, True], [2], [(True, True), (True, True), (False, True)])
def test_a_recording_comes_to_the_counts_however_far_one_watch_is_behind_the_other(
    ends: list[bool], shares: list[int], steps: list[tuple[bool, bool]]
) -> None:
    jobs, pods = history(ends, shares)
    last, made = jobs[-1].status, Recording()
    first = job("j", 1, completions=99, backoff_limit=99)
    made.see(*listed("Job", 5, first), *listed("Pod", 5))
    for of_pods, is_shown in steps:
        if of_pods and pods:
            made.see(Seen(pods.pop(0)))
        elif not of_pods and len(jobs) > 1:
            state = jobs.pop(0)
            if is_shown:  # a state may be overwritten before it is seen
                made.see(Seen(state))
    made.see(*map(Seen, jobs))
    made.see(*map(Seen, pods))
    folded = made.journal.projection.states["j"]
    assert folded.published == last
    assert (folded.succeeded, folded.failed) == (last.succeeded, last.failed) == (sum(ends), len(ends) - sum(ends))
    assert folded.uncounted_succeeded == folded.uncounted_failed == {}
