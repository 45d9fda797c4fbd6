"""Whether Kubernetes would take an object: all violations at once, in its order, with its words.

Objects come with their defaults applied (`podledger.api.defaults`). Each function returns an empty list for a valid
object; `podledger.errors.InvalidObject` turns a list into an error.
"""

from typing import Final

from msgspec import structs

from podledger.api.defaults import generated_labels
from podledger.api.field_error import FieldError, invalid, required
from podledger.api.job import Job
from podledger.api.meta import ObjectMeta
from podledger.api.selector import selector_matches
from podledger.api.validation.cronjob import validate_cronjob, validate_cronjob_update
from podledger.api.validation.job_spec import validate_index_names, validate_job_spec, validate_spec_fields
from podledger.api.validation.job_status import validate_status_update
from podledger.api.validation.job_update import template_is_mutable, validate_job_update
from podledger.api.validation.kubernetes_event import validate_event
from podledger.api.validation.lease import validate_lease
from podledger.api.validation.metadata import (
    validate_metadata,
    validate_metadata_update,
    validate_namespace_metadata,
)
from podledger.api.validation.pod_template import validate_pod, validate_pod_template
from podledger.api.validation.pod_update import validate_pod_status_update, validate_pod_update

__all__ = [
    "template_is_mutable",
    "validate_cronjob",
    "validate_cronjob_update",
    "validate_event",
    "validate_generated_selector",
    "validate_job",
    "validate_job_spec",
    "validate_job_update",
    "validate_lease",
    "validate_metadata",
    "validate_metadata_update",
    "validate_namespace_metadata",
    "validate_pod",
    "validate_pod_status_update",
    "validate_pod_template",
    "validate_pod_update",
    "validate_spec_fields",
    "validate_status_update",
]

GENERATED_LABELS: Final = frozenset(generated_labels("", ""))


def validate_job(job: Job) -> list[FieldError]:
    """A Job that is created, as `prepare_for_create` made it."""
    errors = validate_metadata(as_sent(job))
    errors += validate_generated_selector(job)
    errors += validate_job_spec(job.spec, "spec")
    return errors + validate_index_names(job)


def as_sent(job: Job) -> ObjectMeta:
    """The metadata without labels that are only the generated ones: they are the template's, and reported there."""
    labels = job.metadata.labels
    if labels == job.spec.template.metadata.labels and GENERATED_LABELS.issuperset(labels):
        return structs.replace(job.metadata, labels={})
    return job.metadata


def validate_generated_selector(job: Job) -> list[FieldError]:
    """Labels and selector are the generated ones, unless manualSelector is set: no two Jobs share pods."""
    selector = job.spec.selector
    if job.spec.manual_selector or selector is None:
        return []
    errors: list[FieldError] = []
    uid, name = job.metadata.uid, job.metadata.name
    if not uid:
        errors.append(required("metadata.uid"))
    expected = generated_labels(uid, name)
    labels = job.spec.template.metadata.labels
    for key, value in expected.items():
        path = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            errors.append(required(path, f"must be '{value}'"))
        elif labels[key] != value:
            errors.append(invalid(path, labels, f"must be '{value}'"))
    if not selector_matches(selector, expected):
        errors.append(invalid("spec.selector", selector, "`selector` not auto-generated"))
    return errors
