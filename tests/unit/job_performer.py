"""A Job and its cluster in miniature for tests of the pure half: answers commands, and plays kubelet and user by hand.

Perfect unless told otherwise: every create, delete, release and publish succeeds at once, and what is published must
pass Kubernetes' own validation of status writes. `sync` runs one sync of the Job, `settle` runs syncs until only
waiting remains. Creates go in batches of 1, 2, 4, ... as the shell makes them. Watch events of our own writes are not
played: the answer to a call is what the shell knows of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from podledger.api.defaults import prepare_for_create
from podledger.api.job import Job, JobSpec, JobStatus
from podledger.api.pod import Pod, PodStatus
from podledger.api.validation import validate_status_update
from podledger.job import command as cmd
from podledger.job import event as ev
from podledger.job.decision import Decision, decide, proceed
from podledger.job.fold import fold
from podledger.job.limits import Limits
from podledger.job.names import FINALIZER
from podledger.job.notice import notices_of
from podledger.job.observation import observe_job, observe_job_gone, observe_pod, observe_pod_gone
from podledger.job.outcome import Created, Done, Failed, Outcome, Skipped, Unknown, observe_outcome
from podledger.job.state import JobState
from podledger.job.template import owner_reference

__all__ = ["JOB_UID", "START_S", "Performer", "at", "has_ended"]

START_S = 1_800_000_000
JOB_UID = "job-uid"


def at(seconds: float) -> datetime:
    """A Kubernetes time."""
    return datetime.fromtimestamp(int(seconds), UTC)


def perfect(_command: cmd.Command) -> Outcome | None:
    """No command is answered otherwise than it should be."""
    return None


def has_ended(pod: Pod) -> bool:
    """Whether the pod's phase is final."""
    return pod.status.phase in ("Succeeded", "Failed")


def marked_deleted(pod: Pod, now: float, grace_s: int) -> Pod:
    """The pod with a deletionTimestamp; one that never began or has ended gets no grace."""
    meta = pod.metadata
    if meta.deletion_timestamp is not None and grace_s:
        return pod
    if has_ended(pod) or not pod.spec.node_name:
        grace_s = 0
    meta = replace(meta, deletion_timestamp=at(now + grace_s), deletion_grace_period_seconds=grace_s)
    return replace(pod, metadata=meta)


@dataclass
class Performer:
    """One Job, its pods, and the state that follows them.

    `answers` may replace the answer to a command. `between` is called when the answers to a decision are folded,
    `before_answer` when a call was made and its answer is not folded yet, for a watch that is faster.
    """

    job: Job
    now: float = float(START_S)
    limits: Limits = field(default_factory=Limits)
    answers: Callable[[cmd.Command], Outcome | None] = perfect
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])
    events: list[ev.JobEvent] = field(default_factory=list[ev.JobEvent])
    commands: list[cmd.Command] = field(default_factory=list[cmd.Command])
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    notices: list[cmd.RecordEvent] = field(default_factory=list[cmd.RecordEvent])
    observers: list[Callable[[ev.JobEvent], None]] = field(default_factory=list[Callable[[ev.JobEvent], None]])
    between: Callable[[], None] | None = None
    before_answer: Callable[[], None] | None = None
    revision: int = 100
    wake_at: float | None = None

    def __post_init__(self) -> None:
        status = self.job.status
        self.job = prepare_for_create(self.job, uid=JOB_UID, now=at(self.now))
        meta = replace(self.job.metadata, resource_version=self._next_revision())
        self.job = replace(self.job, metadata=meta, status=status)
        self.state = JobState(uid=JOB_UID, namespace="", name="", seed="seed")

    def _next_revision(self) -> str:
        self.revision += 1
        return str(self.revision)

    def apply(self, events: Sequence[ev.JobEvent]) -> None:
        """Fold events, keeping them."""
        for event in events:
            fold(self.state, event)
            self.events.append(event)
            for observer in self.observers:
                observer(event)

    # ---- what happens in the cluster --------------------------------------------------------------------------

    def observe_job(self) -> None:
        """Let the state see the Job as it is."""
        self.apply(observe_job(self.state if self.state.name else None, self.job))

    def change_job(
        self, *, spec: JobSpec | None = None, status: JobStatus | None = None, deleting: bool = False
    ) -> None:
        """Somebody changes the Job, and the state sees it."""
        meta = replace(self.job.metadata, resource_version=self._next_revision())
        if spec is not None or deleting:
            meta = replace(meta, generation=meta.generation + 1)
        if deleting:
            meta = replace(meta, deletion_timestamp=at(self.now), deletion_grace_period_seconds=0)
        self.job = replace(self.job, metadata=meta, spec=spec or self.job.spec, status=status or self.job.status)
        self.observe_job()

    def remove_job(self) -> None:
        """The Job object goes."""
        self.apply(observe_job_gone(self.state))

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
        """Play the kubelet. It reports Succeeded and Failed only once."""
        self.put_pod(replace(self.pods[uid], status=status))

    def delete_pod(self, uid: str, grace_s: int = 30) -> None:
        """Somebody deletes a pod: it waits for its finalizers and for its grace, else it goes at once."""
        pod = marked_deleted(self.pods[uid], self.now, grace_s)
        if pod.metadata.deletion_grace_period_seconds == 0 and not pod.metadata.finalizers:
            self.remove_pod(uid)
        else:
            self.put_pod(pod)

    def reap(self, *, kubelet: bool = True) -> None:
        """Deleted pods that nothing holds go: those without grace, and with a kubelet those that have ended."""
        for uid, pod in list(self.pods.items()):
            meta = pod.metadata
            if meta.deletion_timestamp is None or meta.finalizers:
                continue
            if meta.deletion_grace_period_seconds == 0 or (kubelet and has_ended(pod)):
                self.remove_pod(uid)

    # ---- answering commands -----------------------------------------------------------------------------------

    def sync(self) -> list[Decision]:
        """One sync: decide, then proceed until the decision is empty. `between` happens after each folded decision."""
        decisions = [decide(self.state, self.now, limits=self.limits)]
        self.wake_at = decisions[-1].wake_at
        while decisions[-1].events or decisions[-1].commands:
            self.apply(decisions[-1].events)
            self._perform_all(decisions[-1].commands)
            if self.between is not None:
                self.between()
            decisions.append(proceed(self.state, self.now, limits=self.limits))
            wakes = [wake for wake in (self.wake_at, decisions[-1].wake_at) if wake is not None]
            self.wake_at = min(wakes, default=None)
        return decisions

    def settle(self, limit: int = 1000) -> None:
        """Sync until only waiting remains."""
        for _ in range(limit):
            if len(self.sync()) == 1:
                return
        raise AssertionError("the Job does not settle")

    def _perform_all(self, commands: Sequence[cmd.Command]) -> None:
        """Creates after all else, in batches of doubling size that stop after an error."""
        creates = [command for command in commands if isinstance(command, cmd.CreatePod)]
        for command in commands:
            if not isinstance(command, cmd.CreatePod):
                self._take_in(command, self.answers(command) or self.perform(command))
        size, failed = 1, False
        while creates:
            batch, creates = creates[:size], creates[size:]
            outcomes: list[Outcome] = [
                Skipped() if failed else self.answers(command) or self.perform(command) for command in batch
            ]
            for command, outcome in zip(batch, outcomes, strict=True):
                self._take_in(command, outcome)
            failed = failed or not all(isinstance(outcome, Created) for outcome in outcomes)
            size *= 2

    def _take_in(self, command: cmd.Command, outcome: Outcome) -> None:
        self.commands.append(command)
        self.outcomes.append(outcome)
        if isinstance(command, cmd.RecordEvent):
            self.notices.append(command)
            return
        if self.before_answer is not None:
            self.before_answer()
        self.apply(observe_outcome(self.state, command, outcome, int(self.now)))
        self.notices.extend(notices_of(self.state, command, outcome))

    def perform(self, command: cmd.Command) -> Outcome:
        """Do what a command asks, as a perfect cluster would."""
        match command:
            case cmd.CreatePod():
                return self._create(command)
            case cmd.DeletePod():
                self._delete(command)
            case cmd.ReleasePod() if command.uid in self.pods:
                self._change(command.uid, finalizer=False)
            case cmd.LetGoPod() if command.uid in self.pods:
                self._change(command.uid, finalizer=False, owned=False)
            case cmd.AdoptPod() if command.uid in self.pods:
                self._change(command.uid, finalizer=True, owned=True)
            case cmd.PublishStatus():
                return self._publish(command)
            case _:
                pass
        return Done(self._next_revision())

    def _create(self, command: cmd.CreatePod) -> Outcome:
        for pod in self.pods.values():
            if pod.metadata.name == command.pod.metadata.name:
                if pod.metadata.annotations == command.pod.metadata.annotations:
                    return Created(pod)
                return Failed(409, "AlreadyExists", f'pods "{pod.metadata.name}" already exists')
        meta = replace(
            command.pod.metadata,
            uid=f"uid-{command.intent}",
            resource_version=self._next_revision(),
            creation_timestamp=at(self.now),
        )
        pod = replace(command.pod, metadata=meta, status=PodStatus(phase="Pending"))
        self.pods[meta.uid] = pod
        return Created(pod)

    def _publish(self, command: cmd.PublishStatus) -> Outcome:
        if command.resource_version != self.job.metadata.resource_version:
            return Failed(409, "Conflict", "the object has been modified")
        meta = replace(self.job.metadata, resource_version=self._next_revision())
        job = replace(self.job, metadata=meta, status=command.status)
        errors = validate_status_update(job, self.job)
        assert not errors, [str(error) for error in errors]
        self.job = job
        return Done(meta.resource_version)

    def _delete(self, command: cmd.DeletePod) -> None:
        if command.uid not in self.pods:
            return
        if command.release:
            self._change(command.uid, finalizer=False)
        self.pods[command.uid] = marked_deleted(self.pods[command.uid], self.now, 30)

    def _change(self, uid: str, *, finalizer: bool, owned: bool | None = None) -> None:
        pod = self.pods[uid]
        meta = pod.metadata
        finalizers = tuple(f for f in meta.finalizers if f != FINALIZER) + ((FINALIZER,) if finalizer else ())
        owners = meta.owner_references
        if owned is not None:
            owners = (owner_reference(JOB_UID, self.job.metadata.name),) if owned else ()
        meta = replace(meta, finalizers=finalizers, owner_references=owners, resource_version=self._next_revision())
        self.pods[uid] = replace(pod, metadata=meta)

    def forget_calls(self) -> None:
        """Begin anew to note what is called and told."""
        self.commands.clear()
        self.outcomes.clear()
        self.notices.clear()

    # ---- making calls fail ------------------------------------------------------------------------------------

    def lose_delete(self, uid: str) -> None:
        """A delete of ours was sent, and its answer was lost."""
        pod = self.pods[uid]
        command = cmd.DeletePod(JOB_UID, pod.metadata.namespace, pod.metadata.name, uid, True)
        self.apply([ev.DeleteIntended(JOB_UID, uid, "surplus", True)])
        self.apply(observe_outcome(self.state, command, Unknown("timeout"), int(self.now)))
