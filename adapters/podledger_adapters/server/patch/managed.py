"""metadata.managedFields: which client set which field, kept up by every write (Update) and by server-side apply.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
What an apply does to the object itself is `apply.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.empty_objects import empty_object
from podledger_adapters.server.patch.field_set import NO_FIELDS, FieldSet, Path, fields_v1, from_fields_v1
from podledger_adapters.server.patch.shape import root_shape
from podledger_adapters.server.patch.structured import Comparison, compare

__all__ = [
    "STRIPPED",
    "Manager",
    "Managers",
    "Owned",
    "changes",
    "encode_managers",
    "ignored_paths",
    "managed_fields_of_create",
    "managed_fields_of_update",
    "managers_of",
]

Json = dict[str, Any]

MAX_UPDATE_MANAGERS: Final = 10
"""With more managers than this that never applied, the oldest are put together as ANCIENT."""
ANCIENT: Final = "ancient-changes"

STRIPPED: Final[FieldSet] = frozenset(
    {
        ("f:apiVersion",), ("f:kind",), ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields",
                "resourceVersion",
            )
        ),
    }
)  # fmt: skip
"""What every write has or the server sets: nobody owns it."""

STATUS_KINDS: Final = frozenset({"Job", "CronJob", "Pod", "Namespace"})


class Manager(Struct, frozen=True, order=True):
    """Who owns fields: a name, how it writes ("Apply" or "Update"), in which version, through which subresource."""

    operation: str
    name: str
    api_version: str = ""
    """Of an Update; what is applied belongs to its manager whatever the version."""
    subresource: str = ""


class Owned(Struct, frozen=True):
    """The fields of one manager. `time` is RFC 3339, when it last took any."""

    fields: FieldSet
    api_version: str
    time: str | None


Managers = dict[Manager, Owned]


def managed_fields_of_create(kind: str, new: Mapping[str, Any], manager: str, now: str) -> list[Json]:
    """managedFields of an object that a client creates.

    `new` has its defaults, but not yet what the server itself fills in (uid, generated labels and selector): those
    belong to nobody. `now` is RFC 3339.
    """
    version = str(new.get("apiVersion", ""))
    me = Manager("Update", manager, version)
    managers: Managers = {}
    _take(managers, me, changes(kind, empty_object(kind), new, ""), now)
    return encode_managers(managers)


def managed_fields_of_update(
    kind: str, old: Mapping[str, Any], new: Mapping[str, Any], manager: str, now: str, *, subresource: str = ""
) -> list[Json]:
    """managedFields after a PUT, or a patch that is no apply, made `new` of `old`.

    A client may hand in other managedFields (`[{}]` forgets them all), but not through a subresource. Objects whose
    fields nobody manages stay so until somebody applies.
    """
    asked: object = new.get("metadata", {}).get("managedFields")
    managers = managers_of(old)
    if not subresource and is_array(asked):
        if list(asked) == [{}]:
            managers = {}
        elif given := managers_of(new):
            managers = given
    if not managers:
        return []
    me = Manager("Update", manager, str(old.get("apiVersion", "")), subresource)
    _take(managers, me, changes(kind, old, new, subresource), now)
    return encode_managers(managers)


def changes(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], subresource: str) -> Comparison:
    """What a write changes that can be owned."""
    compared = compare(root_shape(kind), old, new).without(ignored_paths(kind, subresource))
    return Comparison(compared.added - STRIPPED, compared.modified - STRIPPED, compared.removed - STRIPPED)


def _take(managers: Managers, me: Manager, compared: Comparison, now: str) -> None:
    """An Update takes what it changed from whoever had it."""
    taken = compared.added | compared.modified
    lost = taken | compared.removed
    for manager, owned in list(managers.items()):
        _set(managers, manager, owned, owned.fields - lost)
    if taken:
        before = managers.get(me)
        mine = taken | (before.fields if before else NO_FIELDS)
        managers[me] = Owned(mine, me.api_version, now)


def _set(managers: Managers, manager: Manager, owned: Owned, fields: FieldSet) -> None:
    if fields:
        managers[manager] = Owned(fields, owned.api_version, owned.time)
    else:
        del managers[manager]


def ignored_paths(kind: str, subresource: str) -> Sequence[Path]:
    """What a request to this (sub)resource cannot change, and so does not own."""
    if kind not in STATUS_KINDS:
        return ()
    return (("f:spec",),) if subresource == "status" else (("f:status",),)


# ---- on the wire -------------------------------------------------------------------------------------------------


def managers_of(document: Mapping[str, Any]) -> Managers:
    """The managers of a stored object; entries that cannot be read are left out."""
    metadata: object = document.get("metadata")
    entries: object = metadata.get("managedFields") if is_object(metadata) else None
    managers: Managers = {}
    for entry in entries if is_array(entries) else ():
        if not is_object(entry) or entry.get("fieldsType") != "FieldsV1":
            continue
        operation, version = str(entry.get("operation", "")), str(entry.get("apiVersion", ""))
        if operation not in ("Apply", "Update"):
            continue
        manager = Manager(
            operation=operation,
            name=str(entry.get("manager", "")),
            api_version=version if operation == "Update" else "",
            subresource=str(entry.get("subresource", "")),
        )
        time = entry.get("time")
        fields = from_fields_v1(entry.get("fieldsV1"))
        before = managers.get(manager)
        managers[manager] = Owned(
            fields | (before.fields if before else NO_FIELDS), version, str(time) if time else None
        )
    return managers


def encode_managers(managers: Managers) -> list[Json]:
    """The entries of managedFields, in Kubernetes' order."""
    entries = [_entry(manager, owned) for manager, owned in _capped(managers).items()]
    keys = ("operation", "time", "manager", "apiVersion", "subresource")
    return sorted(entries, key=lambda entry: [str(entry.get(key, "")) for key in keys])


def _entry(manager: Manager, owned: Owned) -> Json:
    entry: Json = {"manager": manager.name, "operation": manager.operation, "apiVersion": owned.api_version}
    if owned.time:
        entry["time"] = owned.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": fields_v1(owned.fields)}
    return entry | ({"subresource": manager.subresource} if manager.subresource else {})


def _capped(managers: Managers) -> Managers:
    """At most MAX_UPDATE_MANAGERS that only update; the oldest become one for each version."""
    updates = [manager for manager in managers if manager.operation == "Update"]
    if len(updates) <= MAX_UPDATE_MANAGERS:
        return managers
    young = [manager for manager in updates if manager.name != ANCIENT]
    surplus = len(updates) - MAX_UPDATE_MANAGERS + (len(young) == len(updates))
    oldest = sorted(young, key=lambda manager: (managers[manager].time or "", manager))[:surplus]
    return _merged(managers, oldest)


def _merged(managers: Managers, oldest: Iterable[Manager]) -> Managers:
    kept = dict(managers)
    for manager in oldest:
        owned = kept.pop(manager)
        ancient = Manager("Update", ANCIENT, manager.api_version)
        before = kept.get(ancient)
        fields = owned.fields | (before.fields if before else NO_FIELDS)
        kept[ancient] = Owned(fields, owned.api_version, max(owned.time or "", (before.time or "") if before else ""))
    return kept
