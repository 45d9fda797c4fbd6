"""Jobs, CronJobs and pods from parsed YAML or JSON, as users write them: strict, all faults of the form named at once.

What the values may be is `podledger.api.validation`'s matter, defaults are `podledger.api.defaults`'.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from msgspec import structs

from podledger.api.cronjob import CronJob
from podledger.api.document import cronjob_from_document, job_from_document, pod_from_document
from podledger.api.field_error import go_quote
from podledger.api.fields import TYPES, FieldReport, inspect_fields
from podledger.api.job import Job
from podledger.api.json_value import is_object
from podledger.api.pod import Pod
from podledger.errors import UndecodableObject

__all__ = ["decode_cronjob", "decode_job", "decode_pod"]

API_VERSIONS: Final = {"CronJob": "batch/v1", "Job": "batch/v1", "Pod": "v1"}
REMOVED_VERSIONS: Final = {
    "batch/v1beta1": "was removed in Kubernetes 1.25",
    "batch/v2alpha1": "was removed in Kubernetes 1.21",
    "extensions/v1beta1": "was removed in Kubernetes 1.16",
}


def decode_job(document: Mapping[str, Any], *, namespace: str = "default", strict: bool = True) -> Job:
    """The Job in a parsed manifest; `namespace` is where it goes if it does not say.

    With `strict` false, unknown fields are dropped, as an API server does for clients that ask for no field validation.
    Raises UndecodableObject naming all unknown fields and wrong types, or a wrong apiVersion or kind.
    """
    job = job_from_document(checked("Job", document, strict))
    return job if job.metadata.namespace else structs.replace(job, metadata=placed(job, namespace))


def decode_cronjob(document: Mapping[str, Any], *, namespace: str = "default", strict: bool = True) -> CronJob:
    """As `decode_job`, for a batch/v1 CronJob."""
    cronjob = cronjob_from_document(checked("CronJob", document, strict))
    return cronjob if cronjob.metadata.namespace else structs.replace(cronjob, metadata=placed(cronjob, namespace))


def decode_pod(document: Mapping[str, Any], *, namespace: str = "default", strict: bool = True) -> Pod:
    """As `decode_job`, for a v1 Pod."""
    pod = pod_from_document(checked("Pod", document, strict))
    return pod if pod.metadata.namespace else structs.replace(pod, metadata=placed(pod, namespace))


def placed(thing: Job | CronJob | Pod, namespace: str) -> Any:
    """The metadata with a namespace."""
    return structs.replace(thing.metadata, namespace=namespace)


def checked(kind: str, document: Mapping[str, Any], strict: bool) -> dict[str, object]:
    """The document without what Kubernetes does not store. Raises UndecodableObject."""
    if not isinstance(document, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # parsed YAML may be anything
        raise UndecodableObject(f"not a {kind}: the document is no object with apiVersion, kind, metadata and spec")
    faults = list(version_faults(kind, document))
    if faults:
        # Fields of another kind would all be unknown: more noise than help.
        raise UndecodableObject("; ".join(faults))
    copy, report = inspect_fields(kind, document)
    if report.wrong or (strict and report.unknown):
        unknown = [field.path for field in report.unknown] if strict else []
        message = f"{title(kind, document)}: {'; '.join(described(report, strict))}"
        raise UndecodableObject(message, unknown, [fault.message for fault in report.wrong])
    return copy


def version_faults(kind: str, document: Mapping[str, Any]) -> list[str]:
    """What is wrong with apiVersion and kind."""
    faults: list[str] = []
    wanted, version, found = API_VERSIONS[kind], document.get("apiVersion"), document.get("kind")
    if found != kind:
        faults.append(f"kind: missing, write {kind}" if found is None else f"kind: {printable(found)} is not {kind}")
    if version is None:
        faults.append(f"apiVersion: missing, write {wanted}")
    elif version != wanted and found in (kind, None):
        why = REMOVED_VERSIONS.get(str(version), f"is unknown for {kind}")
        faults.append(f"apiVersion: {printable(version)} {why}, write {wanted}")
    return faults


def printable(value: object) -> str:
    """A value in one line, without what a terminal would act on."""
    return go_quote(str(value))[1:-1]


def title(kind: str, document: Mapping[str, Any]) -> str:
    """What to call the object in a message: `Job "pi"`."""
    metadata: object = document.get("metadata")
    name = metadata.get("name") or metadata.get("generateName") if is_object(metadata) else None
    return f"{kind} {go_quote(name)}" if isinstance(name, str) else kind


def described(report: FieldReport, strict: bool) -> list[str]:
    """One phrase a fault."""
    phrases: list[str] = []
    for unknown in report.unknown if strict else ():
        close = get_close_matches(unknown.name, TYPES[unknown.owner], n=1)
        phrases.append(f"unknown field {go_quote(unknown.path)}" + (f" (did you mean {close[0]}?)" if close else ""))
    phrases += [f"{printable(fault.path)}: {fault.text}" for fault in report.wrong]
    return phrases
