"""An object of each kind in which nothing is set: the fields that Go writes all the same.

Bookmarks of a watch look so, and what a client creates is compared with one to find the fields it set.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

__all__ = ["empty_object"]

_POD_SPEC: Final = {"containers": None}
_JOB_SPEC: Final = {"template": {"metadata": {}, "spec": _POD_SPEC}}
_OBJECTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "CronJob": {
        "metadata": {},
        "spec": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": _JOB_SPEC}},
        "status": {},
    },
    "Event": {
        "metadata": {},
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    "Job": {"metadata": {}, "spec": _JOB_SPEC, "status": {}},
    "Lease": {"metadata": {}, "spec": {}},
    "Namespace": {"metadata": {}, "spec": {}, "status": {}},
    "Pod": {"metadata": {}, "spec": _POD_SPEC, "status": {}},
}


def empty_object(kind: str) -> dict[str, Any]:
    """A fresh document without apiVersion and kind. Raises KeyError for a kind that is not stored."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(_OBJECTS[kind]))
    return document
