"""Rules of a CronJob when it is created and updated; those of its Jobs are `job_spec`'s."""

import re
from typing import Final

from podledger.api.cron_schedule import InvalidSchedule, parse_schedule
from podledger.api.cronjob import CronJob, CronJobSpec, JobTemplateSpec
from podledger.api.field_error import FieldError, invalid, not_supported, required
from podledger.api.time_zone import UnknownTimeZone, find_time_zone
from podledger.api.validation.job_spec import validate_spec_fields
from podledger.api.validation.metadata import not_negative, validate_metadata, validate_metadata_update

__all__ = ["validate_cronjob", "validate_cronjob_update"]

MAX_NAME: Final = 52
"""What is left of a DNS label's 63 characters when the controller adds a hyphen and up to ten digits."""
CONCURRENCY_POLICIES: Final = ("Allow", "Forbid", "Replace")
ZONE_PART: Final = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")


def validate_cronjob(cronjob: CronJob) -> list[FieldError]:
    """A CronJob that is created, with its defaults."""
    errors = validate_metadata(cronjob.metadata)
    errors += validate_cronjob_spec(cronjob.spec, None)
    if len(cronjob.metadata.name) > MAX_NAME:
        detail = f"must be no more than {MAX_NAME} characters"
        errors.append(invalid("metadata.name", cronjob.metadata.name, detail))
    return errors


def validate_cronjob_update(new: CronJob, old: CronJob) -> list[FieldError]:
    """An update of the CronJob itself: everything in its spec may change, and is checked again."""
    return validate_metadata_update(new.metadata, old.metadata) + validate_cronjob_spec(new.spec, old.spec)


def validate_cronjob_spec(spec: CronJobSpec, old: CronJobSpec | None) -> list[FieldError]:
    """The spec; `old` is the one stored so far, None for a new CronJob."""
    errors = validate_schedule(spec, may_name_zone=old is not None and "TZ" in old.schedule)
    errors += not_negative("spec.startingDeadlineSeconds", spec.starting_deadline_seconds)
    if old is None or old.time_zone != spec.time_zone:
        errors += validate_time_zone(spec.time_zone)
    if spec.concurrency_policy not in CONCURRENCY_POLICIES:
        errors.append(not_supported("spec.concurrencyPolicy", spec.concurrency_policy, CONCURRENCY_POLICIES))
    errors += validate_job_template(spec.job_template)
    errors += not_negative("spec.successfulJobsHistoryLimit", spec.successful_jobs_history_limit)
    return errors + not_negative("spec.failedJobsHistoryLimit", spec.failed_jobs_history_limit)


def validate_schedule(spec: CronJobSpec, *, may_name_zone: bool) -> list[FieldError]:
    """A readable schedule, which names a time zone only where it did before such were refused."""
    path, schedule = "spec.schedule", spec.schedule
    if not schedule:
        return [required(path)]
    errors: list[FieldError] = []
    try:
        parse_schedule(schedule)
    except InvalidSchedule as error:
        errors.append(invalid(path, schedule, str(error)))
    if "TZ" in schedule and not may_name_zone:
        errors.append(invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
    elif "TZ" in schedule and spec.time_zone is not None:
        detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        errors.append(invalid(path, schedule, detail))
    return errors


def validate_time_zone(name: str | None) -> list[FieldError]:
    """A zone of the IANA database, by its name."""
    path = "spec.timeZone"
    if name is None:
        return []
    if not name:
        return [invalid(path, name, "timeZone must be nil or non-empty string")]
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not ZONE_PART.fullmatch(part):
            return [invalid(path, name, f"unknown time zone {name}")]
    errors: list[FieldError] = []
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid(path, name, detail))
    try:
        find_time_zone(name)
    except UnknownTimeZone as error:
        errors.append(invalid(path, name, str(error)))
    return errors


def validate_job_template(template: JobTemplateSpec) -> list[FieldError]:
    """The Jobs' spec; each Job gets a selector of its own. The template's metadata is judged when a Job is made."""
    path = "spec.jobTemplate.spec"
    errors = validate_spec_fields(template.spec, path)
    if template.spec.selector is not None:
        errors.append(invalid(f"{path}.selector", template.spec.selector, "`selector` will be auto-generated"))
    if template.spec.manual_selector:
        errors.append(not_supported(f"{path}.manualSelector", True, ("nil", "false")))
    return errors
