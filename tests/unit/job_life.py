"""Random lives of Jobs: what users, kubelets, other controllers and a bad network may do to one, for property tests.

A life is a Job and a list of steps, each a word and two numbers that choose among what there is; so lives shrink well
and every list of steps means something. `Life` plays them on a `Performer`; `heal` then lets everything come to rest.
"""

from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.job_performer import JOB_UID, START_S, Performer, at, has_ended
from tests.unit.job_world import fail_policy, job, status_of_phase, success_policy

from podledger.api.job import Job, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule
from podledger.api.pod import Pod, PodCondition, PodStatus
from podledger.job import command as cmd
from podledger.job.event import JobEvent
from podledger.job.limits import Limits
from podledger.job.names import FINALIZER
from podledger.job.observation import observe_pod, observe_pod_gone
from podledger.job.outcome import Failed, Outcome, Unknown
from podledger.job.snapshot import decode_state, encode_state
from podledger.job.state import JobState

__all__ = ["Life", "Step", "job_lives", "live", "lives"]

Step = tuple[str, int, int]

_STEPS = {
    "wait": 6, "run": 4, "succeed": 5, "fail": 5, "ready": 2, "restart": 2, "disrupt": 1, "delete-pod": 3, "reap": 2,
    "scale": 1, "suspend": 1, "resume": 2, "relabel": 1, "orphan": 1, "strip": 1,
    "deliver": 3, "reload": 1, "bad-network": 2, "good-network": 2, "fast-watch": 1, "fast-kubelet": 2,
}  # fmt: skip
_TAKING = ("orphan", "strip", "relabel")
_SYNCED = 4

_disrupted = PodFailurePolicy(
    rules=(
        PodFailurePolicyRule(
            action="Ignore", on_pod_conditions=(PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget"),)
        ),
        *fail_policy("FailJob", 5).rules,
    )
)


@st.composite
def jobs_to_live(draw: st.DrawFn) -> Job:
    """A small Job of any kind."""
    indexed = draw(st.booleans())
    completions = draw(st.sampled_from([3, 2, 4, 1, 0] if indexed else [3, None, 2, 4, 1, 0]))
    fields: dict[str, object] = {
        "parallelism": draw(st.sampled_from([2, 3, 1, 4, 0])),
        "completions": completions,
        "completion_mode": "Indexed" if indexed else "NonIndexed",
        "backoff_limit": draw(st.none() | st.integers(0, 3)),
        "pod_replacement_policy": draw(st.sampled_from(["Failed", "TerminatingOrFailed"])),
        "active_deadline_seconds": draw(st.sampled_from([None, None, None, None, 60, 2000])),
        "suspend": draw(st.sampled_from([False, False, False, False, False, True])),
    }
    restart = draw(st.sampled_from(["Never", "Never", "OnFailure"]))
    if indexed and draw(st.integers(0, 3)):
        fields["backoff_limit_per_index"] = draw(st.sampled_from([1, 0, 2]))
        fields["backoff_limit"] = draw(st.sampled_from([None, None, 3]))
        fields["max_failed_indexes"] = draw(st.none() | st.integers(0, 2))
        restart = "Never"
    if indexed and completions and draw(st.booleans()):
        fields["success_policy"] = success_policy(draw(st.sampled_from(["0", "0-1", None])), 1)
    if restart == "Never" and draw(st.booleans()):
        policies = [fail_policy("Ignore", 3), fail_policy("FailJob", 5), _disrupted]
        if "backoff_limit_per_index" in fields:
            policies.append(fail_policy("FailIndex", 3))
        fields["pod_failure_policy"] = draw(st.sampled_from(policies))
        fields["pod_replacement_policy"] = "Failed"
    return job(restart=restart, given=None, **fields)


def steps(*, deleting: bool = True, taking: bool = True) -> st.SearchStrategy[list[Step]]:
    """What happens. `deleting`: the Job may be deleted; `taking`: hands may take pods from us."""
    words = [word for word, weight in _STEPS.items() for _ in range(weight) if taking or word not in _TAKING]
    if deleting:
        words.append("delete-job")
    return st.lists(st.tuples(st.sampled_from(words), st.integers(0, 5), st.integers(0, 5)), min_size=20, max_size=60)


lives = st.tuples(jobs_to_live(), steps())
job_lives = st.tuples(jobs_to_live(), steps(deleting=False, taking=False))


class Life(Performer):
    """Plays a life. `observers` see every event after it is folded; `before_sync` is called before each sync."""

    def begin(self) -> None:
        """Let the Job be seen; set what a life needs."""
        self.limits = Limits(pod_changes=3, uncounted_pods=2)
        self.unseen: set[str] = set()
        self.bad = 0
        self.calls = 0
        self.reloads = 0
        self.fast_kubelet = False
        self.answers = self._answer
        self.before_sync: Callable[[], None] = lambda: None
        self.observe_job()

    def play(self, steps: Sequence[Step]) -> None:
        """Every step in turn; most are followed by a sync."""
        for word, one, two in steps:
            self.step(word, one, two)
            if two < _SYNCED:
                self.step("sync", 0, 0)

    # ---- the network ------------------------------------------------------------------------------------------

    def _answer(self, command: cmd.Command) -> Outcome | None:
        """On a bad network calls are refused, or their answers lost, before or after they were applied."""
        self.calls += 1
        if not self.bad or (self.calls + self.bad) % 4 > 1 or isinstance(command, cmd.RecordEvent):
            return None
        how = (self.calls * self.bad) % 3
        if how == 0:
            return Failed(500, "InternalError", "no")
        if how == 1:
            self.perform(command)
            if isinstance(command, cmd.CreatePod):
                self.unseen.add(f"uid-{command.intent}")
        return Unknown("timeout")

    def _delete(self, command: cmd.DeletePod) -> None:
        """With a fast kubelet pods fail by their delete before it is answered."""
        super()._delete(command)
        pod = self.pods.get(command.uid)
        if self.fast_kubelet and pod is not None and not has_ended(pod) and command.uid not in self.unseen:
            self._change_pod("fail", pod, self.calls)

    def deliver(self) -> None:
        """The watch shows every object as it is, and what is gone."""
        self.observe_job()
        for uid, pod in list(self.pods.items()):
            self.apply(observe_pod(self.state, pod))
            self.unseen.discard(uid)
        for uid in [uid for uid in self.state.pods if uid not in self.pods]:
            self.apply(observe_pod_gone(self.state, uid))

    def lose_log(self) -> None:
        """All that was known is lost; the cluster is listed."""
        self.state = JobState(uid=JOB_UID, namespace="", name="", seed="another seed")
        self.deliver()

    # ---- steps ------------------------------------------------------------------------------------------------

    def step(self, word: str, one: int, two: int) -> None:
        """One step; where there is nothing to do it to, nothing happens."""
        match word:
            case "sync":
                self.before_sync()
                self.sync()
            case "wait":
                self.now += (1, 5, 10, 40, 300, 700)[one]
            case "deliver":
                self.deliver()
            case "bad-network":
                self.bad = 1 + one
            case "good-network":
                self.bad = 0
            case "fast-watch":
                self.before_answer = self.deliver if one % 2 == 0 else None
            case "fast-kubelet":
                self.fast_kubelet = one % 2 == 0
            case "reload":
                self.state = decode_state(encode_state(self.state))
                self.reloads += 1
            case "reap":
                self.reap()
            case "scale" | "suspend" | "resume" | "delete-job":
                self._change_job(word, one)
            case _:
                chosen = self._choose(word, one)
                if chosen is not None:
                    self._change_pod(word, chosen, two)

    def _choose(self, word: str, one: int) -> Pod | None:
        pods = [pod for uid, pod in self.pods.items() if uid not in self.unseen]
        if word in ("run", "succeed", "fail", "ready", "restart", "disrupt"):
            pods = [pod for pod in pods if pod.status.phase not in ("Succeeded", "Failed")]
        if word in ("ready", "restart"):
            pods = [pod for pod in pods if pod.status.phase == "Running"]
        return pods[one % len(pods)] if pods else None

    def _change_job(self, word: str, one: int) -> None:
        spec = self.job.spec
        if word == "delete-job":
            if self.job.metadata.deletion_timestamp is None:
                self.change_job(deleting=True)
        elif word == "scale":
            if spec.completion_mode != "Indexed":
                self.change_job(spec=replace(spec, parallelism=one))
            elif not self.job.status.finished:
                self.change_job(spec=replace(spec, parallelism=one, completions=one))
        else:
            self.change_job(spec=replace(spec, suspend=word == "suspend"))

    def _change_pod(self, word: str, pod: Pod, two: int) -> None:
        uid, meta = pod.metadata.uid, pod.metadata
        match word:
            case "run":
                self.pods[uid] = pod = replace(pod, spec=replace(pod.spec, node_name="node"))
                self.set_status(uid, status_of_phase("Running", self.now))
            case "ready":
                self.set_status(uid, status_of_phase("Running", self.now, ready=True))
            case "restart":
                self.set_status(uid, status_of_phase("Running", self.now, restarts=1 + two % 2))
            case "succeed":
                self.set_status(uid, status_of_phase("Succeeded", self.now))
            case "fail":
                self.set_status(uid, status_of_phase("Failed", self.now, code=(1, 3, 5)[two % 3]))
            case "disrupt":
                target = PodCondition(type="DisruptionTarget", status="True", last_transition_time=at(self.now))
                self.set_status(uid, PodStatus(phase="Failed", reason="Evicted", conditions=(target,)))
            case "delete-pod":
                self.delete_pod(uid)
            case "relabel":
                self.put_pod(replace(pod, metadata=replace(meta, labels={})))
            case "orphan":
                self.put_pod(replace(pod, metadata=replace(meta, owner_references=())))
            case _:  # somebody takes our finalizer off
                finalizers = tuple(one for one in meta.finalizers if one != FINALIZER)
                self.put_pod(replace(pod, metadata=replace(meta, finalizers=finalizers)))

    # ---- coming to rest ---------------------------------------------------------------------------------------

    def heal(self, rounds: int = 60) -> None:
        """The network is good, the Job runs, every pod runs and succeeds: until nothing is left to do."""
        self.bad = 0
        self.before_answer = None
        if self.job.spec.suspend:
            self.change_job(spec=replace(self.job.spec, suspend=False))
        for _ in range(rounds):
            self.deliver()
            self.settle()
            self.reap()
            live = [pod for pod in self.pods.values() if pod.status.phase not in ("Succeeded", "Failed")]
            if not live and self.wake_at is None and self._is_still():
                if self.job.metadata.deletion_timestamp is None:
                    return
                # What a Job that is being deleted ignores, its end sets free.
                self.remove_job()
                self.settle()
                return
            for pod in live:
                self._change_pod("succeed", pod, 0)
            self.now = max(self.now + 1, self.wake_at or 0.0)
        raise AssertionError(f"no rest: {self.state.tally} wake {self.wake_at} {self.job.status}")

    def _is_still(self) -> bool:
        before = len(self.events)
        self.deliver()
        self.settle()
        return len(self.events) == before


def live(life: tuple[Job, list[Step]], *observers: Callable[[JobEvent], None]) -> Life:
    """A life that has just begun."""
    performer = Life(life[0], now=float(START_S))
    performer.observers.extend(observers)
    performer.begin()
    return performer
