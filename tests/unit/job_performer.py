"""A cluster in miniature for tests of the pure half: answers commands as told, and plays the kubelet by hand.

Perfect unless told otherwise: every create, delete, release and publish succeeds at once. `sync` runs one sync of the
Job, `settle` runs syncs until only waiting remains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from podledger.api.defaults import prepare_for_create, with_defaults
from podledger.api.job import Job
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod, PodStatus
from podledger.job import command as cmd
from podledger.job import event as ev
from podledger.job.decision import Decision, decide, proceed
from podledger.job.fold import fold
from podledger.job.limits import Limits
from podledger.job.names import FINALIZER
from podledger.job.observation import observe_job, observe_pod, observe_pod_gone
from podledger.job.outcome import Created, Done, Outcome, observe_outcome
from podledger.job.state import JobState

__all__ = ["Performer"]

START_S = 1_800_000_000


@dataclass
class Performer:
    """One Job, its pods, and the state that follows them. `answers` may replace the answer to a command."""

    job: Job
    now: float = float(START_S)
    limits: Limits = field(default_factory=Limits)
    answers: Callable[[cmd.Command], Outcome | None] = lambda _command: None
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])
    events: list[ev.JobEvent] = field(default_factory=list[ev.JobEvent])
    commands: list[cmd.Command] = field(default_factory=list[cmd.Command])
    revision: int = 100
    wake_at: float | None = None

    def __post_init__(self) -> None:
        at = datetime.fromtimestamp(self.now, UTC)
        self.job = prepare_for_create(with_defaults(self.job), uid="job-uid", now=at)
        self.job = replace(self.job, metadata=replace(self.job.metadata, resource_version=self._next_revision()))
        self.state = JobState(uid="job-uid", namespace="", name="", seed="seed")
        self.observe_job()

    def _next_revision(self) -> str:
        self.revision += 1
        return str(self.revision)

    def apply(self, events: Sequence[ev.JobEvent]) -> None:
        """Fold events, keeping them."""
        for event in events:
            fold(self.state, event)
        self.events.extend(events)

    def observe_job(self) -> None:
        """Let the state see the Job as it is."""
        known = self.state if self.state.name else None
        self.apply(observe_job(known, self.job))

    def put_pod(self, pod: Pod) -> None:
        """Store a pod (new or changed) and let the state see it."""
        meta = replace(pod.metadata, resource_version=self._next_revision())
        self.pods[meta.uid] = pod = replace(pod, metadata=meta)
        self.apply(observe_pod(self.state, pod))

    def remove_pod(self, uid: str) -> None:
        """The pod object goes."""
        del self.pods[uid]
        self.apply(observe_pod_gone(self.state, uid))

    def set_status(self, uid: str, status: PodStatus) -> None:
        """Play the kubelet."""
        self.put_pod(replace(self.pods[uid], status=status))

    # ---- answering commands -----------------------------------------------------------------------------------

    def sync(self) -> list[Decision]:
        """One sync: decide, then proceed until the decision is empty."""
        decisions = [decide(self.state, self.now, limits=self.limits)]
        self.wake_at = decisions[-1].wake_at
        while decisions[-1].events or decisions[-1].commands:
            self.apply(decisions[-1].events)
            for command in decisions[-1].commands:
                outcome = self.answers(command) or self.perform(command)
                self.commands.append(command)
                self.apply(observe_outcome(self.state, command, outcome))
            decisions.append(proceed(self.state, self.now, limits=self.limits))
            wakes = [at for at in (self.wake_at, decisions[-1].wake_at) if at is not None]
            self.wake_at = min(wakes, default=None)
        return decisions

    def settle(self, limit: int = 1000) -> None:
        """Sync until only waiting remains."""
        for _ in range(limit):
            if len(self.sync()) == 1:
                return
        raise AssertionError("the Job does not settle")

    def perform(self, command: cmd.Command) -> Outcome:
        """Do what a command asks, as a perfect cluster would."""
        match command:
            case cmd.CreatePod():
                meta = replace(
                    command.pod.metadata,
                    uid=f"pod-{len(self.events)}-{command.intent}",
                    resource_version=self._next_revision(),
                    creation_timestamp=datetime.fromtimestamp(self.now, UTC),
                )
                pod = replace(command.pod, metadata=meta, status=PodStatus(phase="Pending"))
                self.pods[meta.uid] = pod
                return Created(pod)
            case cmd.DeletePod():
                self._delete(command)
            case cmd.ReleasePod() | cmd.LetGoPod() if command.uid in self.pods:
                self._change_meta(command.uid, let_go=isinstance(command, cmd.LetGoPod))
            case cmd.PublishStatus():
                meta = replace(self.job.metadata, resource_version=self._next_revision())
                self.job = replace(self.job, metadata=meta, status=command.status)
                return Done(meta.resource_version)
            case _:
                pass
        return Done(self._next_revision())

    def _delete(self, command: cmd.DeletePod) -> None:
        pod = self.pods.get(command.uid)
        if pod is None:
            return
        meta = pod.metadata
        finalizers = tuple(f for f in meta.finalizers if not (command.release and f == FINALIZER))
        meta = replace(meta, finalizers=finalizers, deletion_timestamp=datetime.fromtimestamp(self.now, UTC))
        self.pods[command.uid] = replace(pod, metadata=meta)

    def _change_meta(self, uid: str, *, let_go: bool) -> None:
        pod = self.pods[uid]
        meta = pod.metadata
        finalizers = tuple(f for f in meta.finalizers if f != FINALIZER)
        owners = () if let_go else meta.owner_references
        meta = replace(meta, finalizers=finalizers, owner_references=owners)
        self.pods[uid] = replace(pod, metadata=meta)


def meta(**fields: object) -> ObjectMeta:
    """ObjectMeta from keywords."""
    return ObjectMeta(**fields)  # type: ignore[arg-type]  # keywords are checked by the constructor
