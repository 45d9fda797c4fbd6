"""One row of the table in `test_job_cases.py`: a state given by objects, one sync, and what is to be seen of it.

Given pods are observed as real objects, the Job with the status it has, then one sync is run. `Row` says what is
expected in the words of the table; what is not mentioned is not checked, except that nothing is created or deleted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from tests.unit.job_performer import Performer
from tests.unit.job_world import pods_of

from podledger.api.job import Job, JobStatus
from podledger.job import command as cmd
from podledger.job.outcome import Created, Done, Outcome

__all__ = ["Row", "World", "check", "done", "order_of_writes", "play", "published", "uids"]

_WRITES: dict[type[cmd.Command], str] = {
    cmd.CreatePod: "POST",
    cmd.DeletePod: "DELETE",
    cmd.ReleasePod: "PATCH",
    cmd.PublishStatus: "PUT",
    cmd.AdoptPod: "ADOPT",
    cmd.LetGoPod: "LETGO",
}

World = Performer


@dataclass(frozen=True)
class Row:
    """A row. `created` is a number of pods or their indexes, `deleted` a number or names, `released` names.

    `status` are fields of the status published last; `uncounted` the two lists of the first one published. `writes` is
    the whole order of writes. `given` acts on the world after the pods were seen and before the sync, `then` after it.
    """

    number: int
    text: str
    job: Job
    pods: str = ""
    given: Callable[[World], None] | None = None
    answers: Callable[[cmd.Command], Outcome | None] | None = None
    created: int | tuple[int, ...] = 0
    deleted: int | str = 0
    released: str | None = None
    status: Mapping[str, object] = field(default_factory=dict[str, object])
    uncounted: tuple[str, str] | None = None
    conditions: Sequence[str] | None = None
    writes: str | None = None
    wake_s: float | None = None
    notices: Sequence[str] | None = None
    then: Callable[[World], None] | None = None

    def __str__(self) -> str:
        return f"{self.number}: {self.text}"


def play(row: Row) -> World:
    """The row's world after its one sync."""
    world = Performer(row.job)
    if row.answers is not None:
        world.answers = row.answers
    world.observe_job()
    for pod in pods_of(row.pods).values():
        world.put_pod(pod)
    if row.given is not None:
        row.given(world)
    world.forget_calls()
    world.sync()
    return world


def done(world: World, kind: type[cmd.Command]) -> list[cmd.Command]:
    """The commands of a kind that did what they should."""
    pairs = zip(world.commands, world.outcomes, strict=True)
    return [command for command, outcome in pairs if isinstance(command, kind) and isinstance(outcome, Done | Created)]


def uids(commands: Sequence[cmd.Command]) -> set[str]:
    """The pods that commands name."""
    return {command.uid for command in commands if isinstance(command, cmd.DeletePod | cmd.ReleasePod | cmd.LetGoPod)}


def published(world: World) -> list[JobStatus]:
    """The statuses that were sent, accepted or not."""
    return [command.status for command in world.commands if isinstance(command, cmd.PublishStatus)]


def check(row: Row, world: World) -> None:
    """Hold the world against the row."""
    creates = [command for command in done(world, cmd.CreatePod) if isinstance(command, cmd.CreatePod)]
    if isinstance(row.created, int):
        assert len(creates) == row.created, "pods created"
    else:
        names = [command.pod.spec.hostname.rpartition("-")[2] for command in creates]
        assert [int(name) for name in names] == list(row.created), "indexes of pods created"
    deleted = uids(done(world, cmd.DeletePod))
    if isinstance(row.deleted, int):
        assert len(deleted) == row.deleted, "pods deleted"
    else:
        assert deleted == set(row.deleted.split()), "pods deleted"
    if row.released is not None:
        released = uids(done(world, cmd.ReleasePod)) | {
            command.uid
            for command in done(world, cmd.DeletePod)
            if isinstance(command, cmd.DeletePod) and command.release
        }
        assert released == set(row.released.split()), "finalizers taken off"
    for name, value in row.status.items():
        assert getattr(world.job.status, name) == value, f"status.{name}"
    if row.uncounted is not None:
        listed = published(world)[0].uncounted_terminated_pods
        assert listed is not None
        assert (" ".join(listed.succeeded), " ".join(listed.failed)) == row.uncounted, "uncounted in the first write"
    if row.conditions is not None:
        said = [f"{c.type}={c.reason}" if c.status == "True" else f"not {c.type}" for c in world.job.status.conditions]
        assert said == list(row.conditions), "conditions"
    if row.writes is not None:
        assert order_of_writes(world) == row.writes, "order of writes"
    if row.wake_s is not None:
        assert world.wake_at == world.now + row.wake_s, f"timer: {world.wake_at} at {world.now}"
    if row.notices is not None:
        assert [notice.reason for notice in world.notices] == list(row.notices), "Kubernetes Events"
    if row.then is not None:
        row.then(world)


def order_of_writes(world: World) -> str:
    """Such as `POST*2 PUT`, attempts that failed included."""
    kinds = [_WRITES[type(command)] for command in world.commands if type(command) in _WRITES]
    runs = [(kind, len(list(group))) for kind, group in groupby(kinds)]
    return " ".join(kind if count == 1 else f"{kind}*{count}" for kind, count in runs)
