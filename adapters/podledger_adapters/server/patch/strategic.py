"""Strategic merge patches: maps merge, lists merge where their type says by which key, directives say the rest.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
`$patch: replace|delete` in a map or list item, `$retainKeys`, `$setElementOrder/<list>`,
`$deleteFromPrimitiveList/<list>`. Which lists merge is data, in `merge_rules.py`.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from podledger.api.fields import TYPES
from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.patch.go_text import go_text
from podledger_adapters.server.patch.merge_rules import LISTS, ListRule
from podledger_adapters.server.status import bad_request

__all__ = ["merge_strategically"]

Json = dict[str, Any]

DIRECTIVE: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
SET_ORDER: Final = "$setElementOrder/"
DELETE_FROM: Final = "$deleteFromPrimitiveList/"
NO_RULE: Final = ListRule()


def merge_strategically(type_: str, original: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """The original with a patch; neither is changed. `type_` is a key of the field tree.

    Raises ApiError (400) for directives that cannot be followed.
    """
    return _merge_map(type_, original, patch)


def _merge_map(type_: str, original: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    patch = dict(patch)
    if DIRECTIVE in patch:
        directive = patch.pop(DIRECTIVE)
        if directive == "replace":
            return patch
        if directive == "delete":
            return {}
        raise _bad_directive(directive, patch)
    merged = dict(original)
    _retain_keys(merged, patch)
    _set_orders(type_, merged, patch)
    for key, value in patch.items():
        deletes = key.startswith(DELETE_FROM)
        name = key.removeprefix(DELETE_FROM)
        if value is None:
            merged.pop(name, None)
        elif deletes:
            if is_array(merged.get(name)):
                merged[name] = _without(merged[name], _list(value, "invalid patch format of primitive list"))
        elif name not in merged or merged[name] is None:
            merged[name] = _new(value)
        else:
            merged[name] = _merge_value(type_, name, merged[name], value)
    return merged


def _merge_value(type_: str, name: str, original: Any, patch: Any) -> Any:
    if is_object(original) and is_object(patch):
        return _merge_map(_child_type(type_, name), original, patch)
    if is_array(original) and is_array(patch):
        return _merge_list(type_, name, original, patch)
    return _new(patch)


def _merge_list(type_: str, name: str, original: Sequence[Any], patch: Sequence[Any]) -> list[Any]:
    rule = LISTS.get((type_, name), NO_RULE)
    if not rule.patch_merge:
        return [_new(item) for item in patch]
    merged = _merge_items(_child_type(type_, name), rule.patch_key, original, patch)
    wanted = [item for item in patch if not (is_object(item) and DIRECTIVE in item)]
    return _ordered(merged, wanted, original, rule.patch_key)


def _merge_items(type_: str, key: str, original: Sequence[Any], patch: Sequence[Any]) -> list[Any]:
    """The items of both lists, in no order yet."""
    if not key:
        return list(dict.fromkeys((*original, *patch))) if _plain(original) and _plain(patch) else [*original, *patch]
    merged, patch = _follow_item_directives(key, original, patch)
    places: dict[str, int] = {}  # looked up, not searched: both lists may have many thousand items
    for at, item in enumerate(merged):
        if is_object(item):
            places.setdefault(_identity(item, key), at)
    for item in patch:
        _key_of(item, key)
        at = places.setdefault(_identity(item, key), len(merged))
        if at == len(merged):
            merged.append(_new(item))
        else:
            merged[at] = _merge_map(type_, merged[at], item)
    return merged


def _follow_item_directives(key: str, original: Sequence[Any], patch: Sequence[Any]) -> tuple[list[Any], Sequence[Any]]:
    """The original less what items with `$patch: delete` name, and the items that say something to merge."""
    deleted: set[str] = set()
    plain, replaces = list[Any](), False
    for item in patch:
        if not is_object(item):
            raise bad_request("invalid JSON document")
        directive = item.get(DIRECTIVE)
        if DIRECTIVE not in item:
            plain.append(item)
        elif directive == "delete":
            _key_of(item, key)
            deleted.add(_identity(item, key))
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise bad_request("merging lists cannot yet be specified in the patch")
        else:
            raise _bad_directive(directive, item)
    if replaces:
        return [], plain
    return [each for each in original if not (is_object(each) and _identity(each, key) in deleted)], plain


def _key_of(item: Any, key: str) -> Any:
    if not is_object(item):
        raise bad_request("invalid JSON document")
    if key not in item:
        raise bad_request(f"map: {go_text(item)} does not contain declared merge key: {key}")
    return item[key]


def _plain(items: Sequence[Any]) -> bool:
    return not any(is_object(item) or is_array(item) for item in items)


# ---- directives --------------------------------------------------------------------------------------------------


def _retain_keys(merged: Json, patch: Json) -> None:
    """`$retainKeys`: every other key goes. What the patch sets must be among them."""
    if RETAIN_KEYS not in patch:
        return
    complaint = "invalid patch format of retainKeys"
    retained = _list(patch.pop(RETAIN_KEYS), complaint)
    for key, value in patch.items():
        if value is not None and not key.startswith((SET_ORDER, DELETE_FROM)) and key not in retained:
            raise bad_request(complaint)
    for key in [key for key in merged if key not in retained]:
        del merged[key]


def _set_orders(type_: str, merged: Json, patch: Json) -> None:
    """`$setElementOrder/<list>`: the items named come in this order, the server's own keep their places."""
    for directive in [key for key in patch if key.startswith(SET_ORDER)]:
        complaint = "invalid patch format of setElementOrder list"
        order = _list(patch.pop(directive), complaint)
        name = directive.removeprefix(SET_ORDER)
        original, items = merged.get(name), patch.get(name)
        if original is None and items is None:
            continue
        live = _list(original or [], complaint)
        rule = LISTS.get((type_, name), NO_RULE)
        both = list(live)
        if items is not None:
            patched = _list(patch.pop(name), complaint)
            deletes = patch.pop(DELETE_FROM + name, None)
            both = _merge_list(type_, name, live, patched) if original is not None else [_new(item) for item in patched]
            both = _without(both, _list(deletes, complaint)) if deletes is not None else both
        elif DELETE_FROM + name in patch:
            both = _without(both, _list(patch.pop(DELETE_FROM + name), complaint))
        if rule.patch_key and not all(is_object(item) and rule.patch_key in item for item in order):
            raise bad_request(complaint)
        merged[name] = _ordered(both, order, live, rule.patch_key)


def _ordered(items: Sequence[Any], wanted: Sequence[Any], server: Sequence[Any], key: str) -> list[Any]:
    """The wanted items in the wanted order, the others among them where the server's order has them."""
    order: dict[str, int] = {}
    for at, item in enumerate(wanted):
        order.setdefault(_identity(item, key), at)
    place: dict[str, int] = {}
    for at, item in enumerate(server):
        place.setdefault(_identity(item, key), at)
    known = [(_identity(item, key), item) for item in items]
    named = deque(sorted((each for each in known if each[0] in order), key=lambda each: order[each[0]]))
    others = deque(each for each in known if each[0] not in order)
    merged: list[Any] = []
    while named and others:
        left, right = place.get(others[0][0]), place.get(named[0][0])
        first_is_other = left is not None and right is not None and left < right
        merged.append((others if first_is_other else named).popleft()[1])
    return [*merged, *(item for _, item in (*named, *others))]


def _identity(item: Any, key: str) -> str:
    return repr(item.get(key)) if key and is_object(item) else repr(item)


def _without(items: Sequence[Any], gone: Sequence[Any]) -> list[Any]:
    named = {_identity(item, "") for item in gone}
    return [item for item in items if _identity(item, "") not in named]


def _list(value: Any, complaint: str) -> Sequence[Any]:
    if not is_array(value):
        raise bad_request(complaint)
    return value


def _new(value: Any) -> Any:
    """A value of a patch where there was none: without nulls and directives."""
    if is_object(value):
        return {key: _new(item) for key, item in value.items() if item is not None and not key.startswith("$")}
    if is_array(value):
        return [_new(item) for item in value if not (is_object(item) and item.get(DIRECTIVE) in ("delete", "replace"))]
    return value


def _child_type(type_: str, name: str) -> str:
    """The type of a field's objects or items, "" for maps and what is not known."""
    declared = TYPES.get(type_, {}).get(name, "").removeprefix("[]")
    return declared if declared in TYPES else ""


def _bad_directive(directive: object, patch: Mapping[str, Any]) -> Exception:
    return bad_request(f"unknown patch type: '{directive}' in map: {go_text(patch)}")
