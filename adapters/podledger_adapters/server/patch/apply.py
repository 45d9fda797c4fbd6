"""Server-side apply: a manager states the fields it wants, and owns them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/ Fields it no longer states are removed if nobody else
owns them; fields that others own with another value are a conflict unless forced.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from podledger.api.field_error import go_quote
from podledger.api.fields import inspect_fields
from podledger.api.json_value import is_object
from podledger_adapters.server.empty_objects import empty_object
from podledger_adapters.server.patch.field_set import NO_FIELDS, FieldSet, Path, path_text
from podledger_adapters.server.patch.managed import (
    STRIPPED,
    Manager,
    Managers,
    Owned,
    changes,
    encode_managers,
    ignored_paths,
    managers_of,
)
from podledger_adapters.server.patch.shape import Shape, root_shape
from podledger_adapters.server.patch.structured import (
    DuplicateItem,
    field_set,
    merge,
    named_fields,
    remove,
)
from podledger_adapters.server.status import bad_request
from podledger_adapters.store.api_error import ApiError

__all__ = ["apply_configuration"]

Json = dict[str, Any]
Conflict = tuple[Manager, Path]

KUBECTL: Final = "kubectl"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY: Final = "before-first-apply"
"""Who owns the fields of an object that nobody managed until now."""


def apply_configuration(
    kind: str,
    api_version: str,
    live: Mapping[str, Any] | None,
    configuration: Mapping[str, Any],
    *,
    manager: str,
    force: bool,
    now: str,
    subresource: str = "",
) -> Json:
    """The object that an apply makes of the live one, or of nothing, with its managedFields.

    `now` is RFC 3339. Raises ApiError: BadRequest, 500 for unknown fields as Kubernetes does, Conflict.
    """
    _check(kind, api_version, configuration)
    managers = managers_of(live or {})
    if live is not None and not managers:
        everything = field_set_of(kind, live, ())
        managers[Manager("Update", BEFORE_FIRST_APPLY, api_version)] = Owned(everything, api_version, now)
    turn = _Apply(kind, api_version, live, managers, Manager("Apply", manager, subresource=subresource), now)
    conflicts = turn.run(configuration)
    if conflicts and not force:
        allowed = _owned_by_kubectl(kind, live or {}) if manager == KUBECTL else NO_FIELDS
        remaining = [conflict for conflict in conflicts if conflict[1] not in allowed]
        if remaining:
            raise _conflict_error(remaining)
    return turn.result(configuration)


class _Apply:
    """One apply: the merged object, and who owns what after it."""

    def __init__(
        self, kind: str, api_version: str, live: Mapping[str, Any] | None, managers: Managers, me: Manager, now: str
    ) -> None:
        self.kind, self.api_version, self.now = kind, api_version, now
        self.live: Mapping[str, Any] = live or {}
        self.before_it: Mapping[str, Any] = live if live is not None else empty_object(kind)
        self.managers, self.before, self.me = managers, dict(managers), me
        self.shape: Shape = root_shape(kind)
        self.merged: Json = {}

    def run(self, configuration: Mapping[str, Any]) -> Sequence[Conflict]:
        """Merge, take ownership as far as nobody objects, and say who does."""
        mine = field_set_of(self.kind, configuration, ignored_paths(self.kind, self.me.subresource))
        last = self.managers.get(self.me)
        self.managers[self.me] = Owned(mine, self.api_version, self.now)
        plain = {key: value for key, value in configuration.items() if key not in ("apiVersion", "kind")}
        merged: Json = merge(self.shape, dict(self.live), plain)
        self.merged = self._pruned(merged, last.fields) if last is not None and last.fields else merged
        compared = changes(self.kind, self.before_it, self.merged, self.me.subresource)
        taken = compared.added | compared.modified
        conflicts: list[Conflict] = []
        for manager, owned in sorted(self.managers.items()):
            if manager == self.me:
                continue
            conflicts += [(manager, path) for path in sorted(owned.fields & taken)]
            left = owned.fields - taken - compared.removed
            if left:
                self.managers[manager] = Owned(left, owned.api_version, owned.time)
            else:
                del self.managers[manager]
        if not mine:
            del self.managers[self.me]
        return conflicts

    def _pruned(self, merged: Json, last: FieldSet) -> Json:
        """Without what this manager stated before, states no more, and nobody else owns."""
        shape = self.shape
        was_mine = named_fields(shape, last)
        owned = NO_FIELDS.union(*(manager.fields for manager in self.managers.values()))
        everything = named_fields(shape, field_set(shape, merged))
        cut: Json = remove(shape, merged, was_mine) or {}
        left = named_fields(shape, field_set(shape, cut))
        # What others own comes back, and then what was nobody's but lay under something removed.
        cut = remove(shape, merged, everything - (left | named_fields(shape, owned))) or {}
        left = named_fields(shape, field_set(shape, cut))
        pruned: Json = remove(shape, merged, (everything - left) & was_mine) or {}
        return pruned

    def result(self, configuration: Mapping[str, Any]) -> Json:
        """The object with its managedFields; times stand where nothing changed."""
        document = {**self.merged, "apiVersion": self.api_version, "kind": self.kind}
        found: object = document.get("metadata")
        metadata: Json = dict(found) if is_object(found) else {}
        annotations = metadata.get("annotations")
        if self.me.name == KUBECTL and is_object(annotations) and LAST_APPLIED in annotations:
            text = json.dumps(configuration, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
            metadata["annotations"] = {**annotations, LAST_APPLIED: text}
            document["metadata"] = metadata
        before, mine = self.before.get(self.me), self.managers.get(self.me)
        same_fields = before is not None and mine is not None and before.fields == mine.fields
        if same_fields and len(self.managers) == len(self.before) and not self._changed(document):
            self.managers[self.me] = self.before[self.me]
        metadata.pop("managedFields", None)
        if entries := encode_managers(self.managers):
            metadata["managedFields"] = entries
        return {**document, "metadata": metadata}

    def _changed(self, document: Json) -> bool:
        # What the server drops when it stores the object, such as empty maps, is no change.
        kept, _ = inspect_fields(self.kind, document)
        compared = changes(self.kind, self.live, kept, self.me.subresource)
        return bool(compared.added or compared.modified or compared.removed)


def field_set_of(kind: str, document: Mapping[str, Any], ignored: Sequence[Path]) -> FieldSet:
    """The paths that a document states, some ignored. Raises ApiError (500) where list items are not told apart."""
    try:
        paths = field_set(root_shape(kind), document)
    except DuplicateItem as error:
        raise _untyped(kind, document, f"{path_text(error.path)}: {error}") from None
    owned = paths - STRIPPED
    return frozenset(path for path in owned if not any(path[: len(prefix)] == prefix for prefix in ignored))


def _check(kind: str, api_version: str, configuration: Mapping[str, Any]) -> None:
    version = configuration.get("apiVersion", "")
    if version != api_version or configuration.get("kind") != kind:
        text = "Incorrect version specified in apply patch. "
        found = version if version != api_version else f"{version}, Kind={configuration.get('kind', '')}"
        expected = api_version if version != api_version else f"{api_version}, Kind={kind}"
        raise bad_request(f"{text}Specified patch version: {found}, expected: {expected}")
    metadata: object = configuration.get("metadata")
    if is_object(metadata) and metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    _, report = inspect_fields(kind, configuration)
    faults = [f".{field.path}: field not declared in schema" for field in report.unknown]
    faults += [f".{fault.path}: {fault.text}" for fault in report.wrong]
    if faults:
        listed = faults[0] if len(faults) == 1 else "errors:\n" + "\n".join(f"  {fault}" for fault in faults)
        raise _untyped(kind, configuration, listed)


def _untyped(kind: str, configuration: Mapping[str, Any], why: str) -> ApiError:
    """500: the configuration is no object of its kind. Kubernetes gives no reason with it."""
    metadata: object = configuration.get("metadata")
    named: Mapping[str, object] = metadata if is_object(metadata) else {}
    where = f"{named.get('namespace', '')}/{named.get('name', '')}"
    version = configuration.get("apiVersion", "")
    return ApiError(500, "", f"failed to create typed patch object ({where}; {version}, Kind={kind}): {why}")


def _owned_by_kubectl(kind: str, live: Mapping[str, Any]) -> FieldSet:
    """What kubectl's client-side apply set and nobody has changed since: kubectl may take it over from itself."""
    metadata: object = live.get("metadata")
    annotations: object = metadata.get("annotations") if is_object(metadata) else None
    text = annotations.get(LAST_APPLIED) if is_object(annotations) else None
    try:
        applied: object = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return NO_FIELDS
    if not is_object(applied):
        return NO_FIELDS
    try:
        paths = field_set(root_shape(kind), applied)
    except DuplicateItem:
        return NO_FIELDS
    compared = changes(kind, live, applied, "")
    return paths - compared.modified - compared.added - compared.removed


def _conflict_error(conflicts: Sequence[Conflict]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_manager_text(manager)}",
            "field": path_text(path),
        }
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        text = f"Apply failed with 1 conflict: conflict with {_manager_text(manager)}: {path_text(path)}"
    else:
        lines: list[str] = []
        for manager in dict.fromkeys(manager for manager, _ in conflicts):
            lines.append(f"conflicts with {_manager_text(manager)}:")
            lines += [f"- {path_text(path)}" for owner, path in conflicts if owner == manager]
        text = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", text, details={"causes": causes})


def _manager_text(manager: Manager) -> str:
    text = go_quote(manager.name)
    if manager.subresource:
        text += f" with subresource {go_quote(manager.subresource)}"
    return f"{text} using {manager.api_version}" if manager.operation == "Update" else text
