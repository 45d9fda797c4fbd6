"""The parameters of requests in OpenAPI documents: which each verb takes, and what they mean."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["path_parameter", "query_parameters"]

Json = dict[str, Any]

INTEGER: Final = {"type": "integer"}
BOOLEAN: Final = {"type": "boolean"}
STRING: Final = {"type": "string"}

QUERY: Final[Mapping[str, tuple[Mapping[str, object], str]]] = {
    "allowWatchBookmarks": (BOOLEAN, "Whether a watch may be told, by BOOKMARK events, how far it has come."),
    "container": (STRING, "The container whose log is read. It may be left out where the pod has only one."),
    "continue": (STRING, "Where a list goes on: the token that the page before came with."),
    "dryRun": (STRING, "All: everything is checked and nothing is stored."),
    "fieldManager": (STRING, "Who owns the fields that this request sets. Required for server-side apply."),
    "fieldSelector": (STRING, "Which objects, by their fields: metadata.name=pi."),
    "fieldValidation": (
        STRING,
        "What becomes of unknown and duplicate fields: Ignore drops them, Warn (the default) also says so, Strict "
        "refuses the request.",
    ),
    "follow": (BOOLEAN, "Whether to go on reading the log until the container ends."),
    "force": (BOOLEAN, "Whether an apply takes fields over that others own. Only for server-side apply."),
    "gracePeriodSeconds": (INTEGER, "Seconds until what is deleted is killed; 0 at once."),
    "labelSelector": (STRING, "Which objects, by their labels: app=a,tier in (b,c)."),
    "limit": (INTEGER, "How many objects a page of a list has."),
    "limitBytes": (INTEGER, "How many bytes of the log are read."),
    "orphanDependents": (BOOLEAN, "The older form of propagationPolicy: true is Orphan."),
    "pretty": (STRING, "Whether the answer is indented for people."),
    "previous": (BOOLEAN, "Whether to read the log of the container's last run."),
    "propagationPolicy": (STRING, "What becomes of dependents: Orphan, Background or Foreground."),
    "resourceVersion": (STRING, "From which state on: 0 is any, empty the newest."),
    "resourceVersionMatch": (STRING, "How resourceVersion is meant: NotOlderThan or Exact."),
    "sendInitialEvents": (BOOLEAN, "Whether a watch begins with what there is."),
    "sinceSeconds": (INTEGER, "Only lines of the last so many seconds."),
    "sinceTime": (STRING, "Only lines since this time (RFC 3339)."),
    "tailLines": (INTEGER, "Only so many lines from the end."),
    "timeoutSeconds": (INTEGER, "When a watch ends."),
    "timestamps": (BOOLEAN, "Whether each line begins with its time."),
    "watch": (BOOLEAN, "Whether to be told of changes instead of the list."),
}

WRITE: Final = ("pretty", "dryRun", "fieldManager", "fieldValidation")
DELETE: Final = ("pretty", "dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
LIST: Final = (
    "pretty", "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
)  # fmt: skip
LOG: Final = (
    "pretty", "container", "follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps",
)  # fmt: skip

OF_VERB: Final[Mapping[str, Sequence[str]]] = {
    "create": WRITE,
    "delete": DELETE,
    "deletecollection": (*dict.fromkeys((*LIST[:-1], *DELETE)),),
    "get": ("pretty",),
    "list": LIST,
    "log": LOG,
    "patch": (*WRITE, "force"),
    "update": WRITE,
}

PATH: Final[Mapping[str, str]] = {
    "name": "The name of the object.",
    "namespace": "The namespace of the object.",
}


def query_parameters(verb: str) -> list[Json]:
    """The query parameters of a verb; `log` is the reading of a pod's log."""
    return [
        {"name": name, "in": "query", "description": QUERY[name][1], "schema": {**QUERY[name][0], "uniqueItems": True}}
        for name in OF_VERB[verb]
    ]


def path_parameter(name: str) -> Json:
    """A parameter that is part of the path: `name` or `namespace`."""
    schema = {"type": "string", "uniqueItems": True}
    return {"name": name, "in": "path", "required": True, "description": PATH[name], "schema": schema}
