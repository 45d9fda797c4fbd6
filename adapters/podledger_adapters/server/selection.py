"""Which objects a list, a watch or a deletion of many is about: a namespace, a label selector, a field selector."""

from collections.abc import Callable, Mapping
from typing import Any

from podledger_adapters.server.call import Call
from podledger_adapters.server.selectors import field_selector, label_selector
from podledger_adapters.server.wire_changes import WireChanges
from podledger_adapters.store.kinds import StoredObject

__all__ = ["Selection"]

Predicate = Callable[[Mapping[str, Any]], bool]


class Selection:
    """What the parameters of a request select. Raises ApiError (400) for a selector that cannot be read."""

    def __init__(self, call: Call) -> None:
        self._changes: WireChanges = call.state.changes
        self._namespace = call.namespace
        labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
        self._labels: Predicate | None = label_selector(labels) if labels else None
        self._fields: Predicate | None = field_selector(call.resource.kind, fields) if fields else None
        # Names are known without making a document.
        self._only_names = all(
            term.strip().startswith(("metadata.name=", "metadata.name!", "metadata.namespace"))
            for term in fields.split(",")
        )

    @property
    def everything(self) -> bool:
        """Whether there is no selector."""
        return self._labels is None and self._fields is None

    def matches(self, stored: StoredObject) -> bool:
        """Whether an object is selected."""
        metadata = stored.metadata
        if self._namespace and metadata.namespace != self._namespace:
            return False
        if self._labels is not None and not self._labels({"metadata": {"labels": metadata.labels}}):
            return False
        if self._fields is None:
            return True
        if self._only_names:
            return self._fields({"metadata": {"name": metadata.name, "namespace": metadata.namespace}})
        return self._fields(self._changes.document(stored))
