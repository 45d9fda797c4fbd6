"""Objects as Tables (meta.k8s.io/v1), which is what `kubectl get` shows, and as their metadata alone.

The cells are computed here, as by a real API server: clients only lay them out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from podledger_adapters.server.tables.cells import (
    Cell,
    cron_job_cells,
    event_cells,
    generic_cells,
    job_cells,
    lease_cells,
    namespace_cells,
)
from podledger_adapters.server.tables.columns import definitions
from podledger_adapters.server.tables.pod import pod_cells, pod_row_conditions

__all__ = ["partial", "partial_list", "table"]

Document = Mapping[str, Any]

CELLS: Final[Mapping[str, Callable[[Document, float], Sequence[Cell]]]] = {
    "CronJob": cron_job_cells,
    "Event": event_cells,
    "Job": job_cells,
    "Lease": lease_cells,
    "Namespace": namespace_cells,
    "Pod": pod_cells,
}


def table(
    kind: str,
    documents: Sequence[Document],
    now_s: float,
    *,
    version: str = "v1",
    include_object: str = "Metadata",
    columns: bool = True,
) -> dict[str, Any]:
    """A Table with a row for each document; `metadata` is that of the only one, of a list it is the caller's to set.

    `include_object` is Metadata, Object or None: what a row holds of its object. `columns` is false for all events of
    a watch but the first. `now_s` are Unix seconds.
    """
    metadata: dict[str, Any] = {}
    if len(documents) == 1:
        metadata["resourceVersion"] = documents[0].get("metadata", {}).get("resourceVersion", "")
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": definitions(kind) if columns else None,
        "rows": [_row(kind, document, now_s, version, include_object) for document in documents],
    }


def _row(kind: str, document: Document, now_s: float, version: str, include_object: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": CELLS.get(kind, generic_cells)(document, now_s)}
    if kind == "Pod" and (conditions := pod_row_conditions(document)):
        row["conditions"] = conditions
    match include_object:
        case "Object":
            row["object"] = document
        case "None":
            row["object"] = None
        case _:
            row["object"] = partial(document, version=version)
    return row


def partial(document: Document, *, version: str = "v1") -> dict[str, Any]:
    """The metadata of an object alone."""
    api_version = f"meta.k8s.io/{version}"
    return {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": document.get("metadata", {})}


def partial_list(documents: Sequence[Document], metadata: Document, *, version: str = "v1") -> dict[str, Any]:
    """The metadata of many objects; `metadata` is that of the list."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "items": [partial(document, version=version) for document in documents],
    }
