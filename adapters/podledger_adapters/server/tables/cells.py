"""The cells of all kinds but pods: what the API server's printer writes into the columns."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from podledger.api.document import job_from_document
from podledger_adapters.printer import age, completions_cell, duration_cell, status_cell

__all__ = [
    "Cell",
    "cron_job_cells",
    "event_cells",
    "generic_cells",
    "job_cells",
    "lease_cells",
    "namespace_cells",
    "since",
]

Cell = str | int
Document = Mapping[str, Any]

NONE: Final = "<none>"
OPERATOR_TEXT: Final = {"In": "in", "NotIn": "notin"}


def since(time: object, now_s: float) -> str:
    """How long ago a time of a document is; `<unknown>` where there is none."""
    return age(datetime.fromisoformat(time) if isinstance(time, str) and time else None, now_s)


def _name_and_age(document: Document, now_s: float) -> tuple[str, str]:
    metadata = document.get("metadata", {})
    return metadata.get("name", ""), since(metadata.get("creationTimestamp"), now_s)


def generic_cells(document: Document, now_s: float) -> Sequence[Cell]:
    """Of a kind without columns of its own."""
    return _name_and_age(document, now_s)


def namespace_cells(document: Document, now_s: float) -> Sequence[Cell]:
    """Of a Namespace."""
    name, created = _name_and_age(document, now_s)
    return name, document.get("status", {}).get("phase", ""), created


def lease_cells(document: Document, now_s: float) -> Sequence[Cell]:
    """Of a Lease."""
    name, created = _name_and_age(document, now_s)
    return name, document.get("spec", {}).get("holderIdentity") or "", created


def job_cells(document: Document, now_s: float) -> Sequence[Cell]:
    """Of a Job."""
    job = job_from_document(document)
    spec = document.get("spec", {})
    return (
        job.metadata.name,
        status_cell(job),
        completions_cell(job),
        duration_cell(job, now_s),
        age(job.metadata.creation_timestamp, now_s),
        *_template_cells(spec.get("template", {}), spec.get("selector")),
    )


def cron_job_cells(document: Document, now_s: float) -> Sequence[Cell]:
    """Of a CronJob."""
    name, created = _name_and_age(document, now_s)
    spec, status = document.get("spec", {}), document.get("status", {})
    last = status.get("lastScheduleTime")
    job_spec = spec.get("jobTemplate", {}).get("spec", {})
    return (
        name,
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        {True: "True", False: "False", None: "<unset>"}[spec.get("suspend")],
        len(status.get("active", ())),
        since(last, now_s) if last else NONE,
        created,
        *_template_cells(job_spec.get("template", {}), job_spec.get("selector")),
    )


def _template_cells(template: Document, selector: Document | None) -> tuple[str, str, str]:
    """Containers, images and the selector."""
    containers = template.get("spec", {}).get("containers", ())
    names = ",".join(container.get("name", "") for container in containers)
    images = ",".join(container.get("image", "") for container in containers)
    return names, images, _selector_text(selector or {})


def _selector_text(selector: Document) -> str:
    terms = [(key, f"{key}={value}") for key, value in selector.get("matchLabels", {}).items()]
    for requirement in selector.get("matchExpressions", ()):
        key, operator = requirement.get("key", ""), requirement.get("operator", "")
        if operator in OPERATOR_TEXT:
            values = ",".join(sorted(requirement.get("values", ())))
            terms.append((key, f"{key} {OPERATOR_TEXT[operator]} ({values})"))
        else:
            terms.append((key, f"!{key}" if operator == "DoesNotExist" else key))
    return ",".join(text for _, text in sorted(terms)) or NONE


def event_cells(document: Document, now_s: float) -> Sequence[Cell]:
    """Of a Kubernetes Event."""
    first = document.get("firstTimestamp") or document.get("eventTime")
    series, last = document.get("series"), document.get("lastTimestamp")
    count = document.get("count") or 1
    seen_first = since(first, now_s)
    seen_last = since(last, now_s) if last else seen_first
    if series:
        seen_last = since(series.get("lastObservedTime"), now_s)
        count = series.get("count", 0)
    about = document.get("involvedObject", {})
    kind, name = about.get("kind", "").lower(), about.get("name", "")
    return (
        seen_last,
        document.get("type", ""),
        document.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        about.get("fieldPath", ""),
        _event_source(document),
        document.get("message", "").strip(),
        seen_first,
        count,
        document.get("metadata", {}).get("name", ""),
    )


def _event_source(document: Document) -> str:
    source = document.get("source", {})
    component, host = source.get("component", ""), source.get("host", "")
    component = component or document.get("reportingComponent", "")
    host = host or document.get("reportingInstance", "")
    return f"{component}, {host}" if host else component
