"""CronJobs as users write them: defaults, and what Kubernetes refuses on create and update, in its words."""

from typing import Any

import pytest

from podledger.api.cronjob import CronJob
from podledger.api.decode import decode_cronjob
from podledger.api.defaults import with_cronjob_defaults
from podledger.api.document import cronjob_document, cronjob_from_document
from podledger.api.validation import validate_cronjob, validate_cronjob_update
from podledger.errors import UndecodableObject

TEMPLATE: dict[str, Any] = {"spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"}}
ZONE = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
TZ = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"


def made(name: str = "hello", job: dict[str, Any] | None = None, **spec: Any) -> CronJob:
    """A CronJob as it reaches validation."""
    template = {"spec": {"template": TEMPLATE, **(job or {})}}
    document = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": "* * * * *", "jobTemplate": template, **spec},
    }
    return with_cronjob_defaults(decode_cronjob(document))


def told(cronjob: CronJob) -> list[str]:
    """What validation says, one text a violation."""
    return [str(error) for error in validate_cronjob(cronjob)]


def test_a_plain_one_is_valid_and_has_its_defaults() -> None:
    cronjob = made()
    assert told(cronjob) == []
    spec = cronjob.spec
    assert (spec.concurrency_policy, spec.suspend) == ("Allow", False)
    assert (spec.successful_jobs_history_limit, spec.failed_jobs_history_limit) == (3, 1)
    assert spec.job_template.spec.backoff_limit is None, "the Job's own defaults come when it is made"
    assert spec.job_template.spec.template.spec["terminationGracePeriodSeconds"] == 30


def test_a_document_comes_back_as_it_was() -> None:
    cronjob = made(timeZone="Europe/Berlin", startingDeadlineSeconds=0, concurrencyPolicy="Replace", suspend=True)
    document = cronjob_document(cronjob)
    assert (document["kind"], document["apiVersion"]) == ("CronJob", "batch/v1")
    assert cronjob_from_document(document) == cronjob


def test_unknown_fields_are_named() -> None:
    with pytest.raises(UndecodableObject, match=r'unknown field "spec\.schedul" \(did you mean schedule\?\)'):
        made(schedul="* * * * *")


@pytest.mark.parametrize(
    ("spec", "messages"),
    [
        ({"schedule": ""}, ["spec.schedule: Required value"]),
        (
            {"schedule": "61 * * * *"},
            ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
        ),
        ({"schedule": "TZ=UTC 0 * * * *"}, [f'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": {TZ}']),
        ({"schedule": "0 0 30 2 *"}, []),
        ({"startingDeadlineSeconds": -1, "failedJobsHistoryLimit": -1}, [
            "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0",
            "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
        ]),
        ({"timeZone": ""}, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']),
        ({"timeZone": "Mars/Base"}, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']),
        ({"timeZone": "../UTC"}, ['spec.timeZone: Invalid value: "../UTC": unknown time zone ../UTC']),
        ({"timeZone": "/etc/passwd"}, ['spec.timeZone: Invalid value: "/etc/passwd": unknown time zone /etc/passwd']),
        ({"timeZone": "America"}, ['spec.timeZone: Invalid value: "America": unknown time zone America']),
        ({"timeZone": "Local"}, [f'spec.timeZone: Invalid value: "Local": {ZONE}']),
        (
            {"concurrencyPolicy": "Maybe"},
            ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'],
        ),
    ],
)  # fmt: skip
def test_fields(spec: dict[str, Any], messages: list[str]) -> None:
    assert told(made(**spec)) == messages


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({"backoffLimit": -1}, "backoffLimit: Invalid value: -1: must be greater than or equal to 0"),
        ({"template": {"spec": {"restartPolicy": "Never"}}}, "template.spec.containers: Required value"),
        (
            {"selector": {"matchLabels": {"a": "b"}}},
            'selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
        ),
        ({"manualSelector": True}, 'manualSelector: Unsupported value: true: supported values: "nil", "false"'),
    ],
)
def test_the_jobs_spec(job: dict[str, Any], message: str) -> None:
    assert told(made(job=job)) == [f"spec.jobTemplate.spec.{message}"]


@pytest.mark.parametrize(("length", "valid"), [(52, True), (53, False)])
def test_the_name_leaves_room_for_the_runs(length: int, valid: bool) -> None:
    messages = told(made(name="c" * length))
    assert bool(messages) != valid
    if not valid:
        assert messages == [f'metadata.name: Invalid value: "{"c" * length}": must be no more than 52 characters']


def test_an_update_may_change_everything_and_keeps_a_zone_in_an_old_schedule() -> None:
    old, other = made(schedule="TZ=UTC 0 * * * *"), made(schedule="CRON_TZ=UTC 1 * * * *", suspend=True)
    assert validate_cronjob_update(other, old) == []
    both = made(schedule="TZ=UTC 0 * * * *", timeZone="Europe/Berlin")
    (error,) = validate_cronjob_update(both, old)
    assert "cannot use both timeZone field and TZ or CRON_TZ in schedule" in str(error)
    (error,) = validate_cronjob_update(made(schedule="TZ=UTC 0 * * * *"), made())
    assert TZ in str(error)
    unknown = made(timeZone="Mars/Base")
    assert validate_cronjob_update(unknown, unknown) == [], "a zone that was taken once is not judged again"
