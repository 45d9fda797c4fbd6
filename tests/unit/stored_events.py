"""One of each event kind, as a release stored it: what every later podledger must read.

`python -m tests.unit.stored_events` writes `data/events-VERSION.msgpack` for the version at hand: a msgpack map from
the name of each kind to its stored form (the bytes the log's codec keeps). Run it when a kind is added; the file of a
version that was released is never written again: the script refuses without `--unreleased`.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import msgspec
from tests.unit.job_performer import START_S, at
from tests.unit.job_world import condition, fail_policy, job, status, success_policy

from podledger import event as stream
from podledger.api.cronjob import CronJobSpec, CronJobStatus, JobTemplateSpec
from podledger.api.kubernetes_event import ObjectReference
from podledger.api.meta import ObjectMeta
from podledger.cron import event as cron
from podledger.event import Event
from podledger.job import event as ev
from podledger.job.event_content import EventContent

__all__ = ["DATA", "SAMPLES"]

DATA = Path(__file__).parent / "data"

_SPEC = job(
    parallelism=2,
    completions=3,
    completion_mode="Indexed",
    pod_failure_policy=fail_policy("FailIndex", 3, 42),
    success_policy=success_policy("0-1", 1),
    backoff_limit_per_index=1,
    active_deadline_seconds=600,
    pod_replacement_policy="Failed",
    managed_by="podledger.io/job-controller",
).spec
_STATUS = status(
    condition("FailureTarget"),
    uncounted=(["pod-a"], ["pod-b"]),
    active=1,
    succeeded=2,
    failed=1,
    completed_indexes="0,2",
    failed_indexes="1",
    completion_time=at(START_S),
)
_CONTENT = EventContent(
    "8e5d", "name.18e9", "Warning", "BackOff", "why", "kubelet", 3, START_S, START_S + 0.5, START_S + 60.25
)
_OBSERVATIONS: list[Event] = [
    ev.JobSet("job", "default", "name", "7", 1, START_S, _SPEC, {"app": "x"}),
    ev.JobSpecChanged("job", "8", 2, _SPEC),
    ev.JobUpdated("job", "9"),
    ev.JobStatusSeen("job", "10", _STATUS),
    ev.JobDeleting("job", "11", START_S),
    ev.JobGone("job"),
    ev.StatusImported("job", "12", _STATUS),
    ev.JobMissing("job", "default", "name"),
    ev.KubernetesEventSeen("job", _CONTENT, START_S + 61.5, "pod", "name-0-abcde"),
    ev.PodCreated("job", "pod", "name-0-abcde", "13", START_S, "8fae2c57-0", 0, False, False, 1, 2),
    ev.PodScheduled("job", "pod", "node"),
    ev.PodStarted("job", "pod", START_S),
    ev.PodReady("job", "pod", True, START_S),
    ev.PodRestarted("job", "pod", 3, 2, 1),
    ev.PodConditionsChanged("job", "pod", (("DisruptionTarget", "True"),), (("main", 1),)),
    ev.PodSucceeded("job", "pod", START_S),
    ev.PodFailed("job", "pod", START_S, "Evicted", "why", (("main", 137),), (("DisruptionTarget", "True"),)),
    ev.PodTerminating("job", "pod", START_S + 30, START_S),
    ev.PodFinalizerGone("job", "pod"),
    ev.PodGone("job", "pod", True),
    ev.PodMatchChanged("job", "pod", False),
    ev.PodFinalizerHeld("job", "pod"),
]
_DECISIONS: list[Event] = [
    ev.SyncDecided("job", True, 2, START_S + 0.5, 99, 1, 1, 0, 2, 1, 2, START_S + 10.5, "back-off after failed pods"),
    ev.CreateIntended("job", 4, "8fae2c57-4", "name-1-abcde", 1, 1, 0, "retry"),
    ev.DeleteIntended("job", "pod", "surplus", True),
    ev.ReleaseIntended("job", "pod", "failed"),
    ev.PodCounted("job", "pod", "failed", "failed", 1, True, False),
    ev.BackoffSet("job", 2, START_S),
    ev.ConditionDecided("job", "FailureTarget", "True", "FailedIndexes", "Job has failed indexes", START_S, "interim"),
    ev.StartTimeSet("job", START_S),
    ev.StatusIntended("job", "13", _STATUS),
    ev.AdoptIntended("job", "pod"),
    ev.LetGoIntended("job", "pod"),
    ev.PodRetained("job", "pod", 1),
    ev.UidSettled("job", "pod"),
]
_OUTCOMES: list[Event] = [
    ev.CallFailed("job", "create", "8fae2c57-4", 403, "Forbidden", "exceeded quota", True, START_S),
    ev.DeleteAccepted("job", "pod", True),
    ev.PodReleased("job", "pod"),
    ev.StatusPublished("job", "14"),
    ev.PodAdopted("job", "pod", "15"),
    ev.PodLetGo("job", "pod"),
]
_STREAM: list[Event] = [
    stream.StreamStarted("seed", 1),
    stream.EpochTaken(3, "holder", START_S + 0.25),
    stream.ClusterRewound("Job", "100", "90", START_S + 0.25),
    stream.ListGap("Pod", START_S + 0.25, "410 Expired"),
    stream.EventsCompacted(((1, 5), (9, 9)), ("job",), START_S + 0.25, 101),
    stream.Blanked(),
]
_CRON_SPEC = CronJobSpec(
    schedule="*/5 * * * 1-5",
    time_zone="Europe/Berlin",
    starting_deadline_seconds=60,
    concurrency_policy="Replace",
    suspend=True,
    job_template=JobTemplateSpec(metadata=ObjectMeta(labels={"app": "x"}), spec=_SPEC),
    successful_jobs_history_limit=2,
    failed_jobs_history_limit=1,
)
_CRON_STATUS = CronJobStatus(
    active=(
        ObjectReference(
            kind="Job", namespace="default", name="cron-7", uid="run", api_version="batch/v1", resource_version="9"
        ),
    ),
    last_schedule_time=at(START_S),
    last_successful_time=at(START_S),
)
_CRON: list[Event] = [
    cron.CronJobSet("cron", "default", "name", "7", 1, START_S, _CRON_SPEC, _CRON_STATUS),
    cron.CronJobSpecChanged("cron", "8", 2, _CRON_SPEC),
    cron.CronJobUpdated("cron", "9"),
    cron.CronJobStatusSeen("cron", "10", _CRON_STATUS),
    cron.CronJobDeleting("cron", "11", START_S),
    cron.CronJobGone("cron"),
    cron.CronKubernetesEventSeen("cron", _CONTENT, START_S + 61.5),
    cron.RunSeen("cron", "run", "name-7", True, "12"),
    cron.RunStarted("cron", "run", START_S),
    cron.RunFinished("cron", "run", "Complete", START_S),
    cron.RunGone("cron", "run"),
    cron.CronSyncDecided("cron", True, 2, START_S + 0.5, 99, 1, START_S + 0.25, START_S, 3),
    cron.ScheduleFired("cron", START_S, "name-7", 0.5, "due"),
    cron.SlotsMissed("cron", START_S, START_S + 60, 2, True, "only the latest missed slot is started"),
    cron.SlotSkipped("cron", START_S, "concurrencyPolicy Forbid: a run is active", True),
    cron.ScheduleRefused("cron", "InvalidSchedule", "why"),
    cron.RunDeleteIntended("cron", "run", "failedJobsHistoryLimit"),
    cron.RunSettled("cron", "run", "finished: Complete"),
    cron.LastSuccessSet("cron", START_S),
    cron.CronStatusIntended("cron", "13", _CRON_STATUS),
    cron.RunCreated("cron", "run", "name-7", START_S, "14", True),
    cron.RunDeleted("cron", "run"),
    cron.RunMissing("cron", "run"),
    cron.CronStatusPublished("cron", "15"),
    cron.CronCallFailed("cron", "create", "name-7", 403, "Forbidden", "exceeded quota", True),
]
SAMPLES = {type(sample).__name__: sample for sample in (*_STREAM, *_OBSERVATIONS, *_DECISIONS, *_OUTCOMES, *_CRON)}
"""Every field has another value than its default, so that one that moved is seen."""


def main() -> int:
    """Write the file of this version."""
    path = DATA / f"events-{version('podledger')}.msgpack"
    if path.exists() and "--unreleased" not in sys.argv:
        print(f"{path} exists: if this version was not released yet, say --unreleased", file=sys.stderr)
        return 2
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.msgpack.encode({name: msgspec.msgpack.encode(it) for name, it in SAMPLES.items()}))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
