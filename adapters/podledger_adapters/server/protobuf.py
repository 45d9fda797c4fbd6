"""Protobuf bodies, as kubectl and Go clients send them for built-in kinds, to plain JSON documents.

Standard proto2 wire format in Kubernetes' frame. Which field has which number is data (`protobuf_fields.json`):
message to number to `name type`, where a type is `string int bool Time MicroTime Quantity IntOrString FieldsV1`, a
message of the file, `[]T` or `map[]T`; `?` behind it means that its presence counts even where the value is zero, `^`
that the message's fields belong to the parent. Answers are never protobuf: every client that sends it takes JSON.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Final

from msgspec import Struct

from podledger_adapters.server.json_text import MalformedJson, read_json

__all__ = ["MAGIC", "MESSAGES", "Field", "MalformedProtobuf", "decode"]

MAGIC: Final = b"k8s\x00"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES: Final = 10
MAX_DEPTH: Final = 100
"""The deepest nesting of messages; those of Kubernetes end at about 20."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Go's encoder always writes these, and an object that does not set them has them empty.
EMPTY_DROPPED: Final = frozenset({"ObjectMeta", "ResourceRequirements", "VolumeResourceRequirements"})
EMPTY_DROPPED_FIELDS: Final = frozenset({"status"})


class MalformedProtobuf(ValueError):
    """The bytes are no protobuf message of Kubernetes; the message says what is wrong with them."""


class Field(Struct, frozen=True):
    """A field of a message. `type` is without marks: `repeated` and `mapped` say whether there are many."""

    name: str
    type: str
    repeated: bool = False
    mapped: bool = False
    presence: bool = False
    inlined: bool = False


def _field(text: str) -> Field:
    name, _, notation = text.partition(" ")
    plain = notation.rstrip("?^")
    return Field(
        name=name,
        type=plain.removeprefix("[]").removeprefix("map[]"),
        repeated=plain.startswith("[]"),
        mapped=plain.startswith("map[]"),
        presence=notation.endswith("?"),
        inlined=notation.endswith("^"),
    )


def _load() -> dict[str, dict[int, Field]]:
    text = files("podledger_adapters.server").joinpath("protobuf_fields.json").read_text(encoding="utf-8")
    messages: dict[str, dict[str, str]] = json.loads(text)["messages"]
    return {name: {int(number): _field(field) for number, field in fields.items()} for name, fields in messages.items()}


MESSAGES: Final[Mapping[str, Mapping[int, Field]]] = _load()


def decode(data: bytes, kind: str = "") -> dict[str, Any]:
    """The document in a body; `kind` is what it is where it does not say. Raises MalformedProtobuf.

    Of a kind that is not known here only apiVersion and kind are read.
    """
    if data[: len(MAGIC)] != MAGIC:
        expected = " ".join(str(byte) for byte in MAGIC)
        raise MalformedProtobuf(f"provided data does not appear to be a protobuf message, expected prefix [{expected}]")
    head: dict[str, str] = {}
    raw = memoryview(b"")
    for number, value in _fields(memoryview(data)[len(MAGIC) :]):
        if number == 1:
            names = {1: "apiVersion", 2: "kind"}
            head = {names[n]: _text(v) for n, v in _fields(_message(value)) if n in names}
        elif number == 2:
            raw = _message(value)
        elif number == 3 and _text(value):
            raise MalformedProtobuf(f"unsupported content encoding {_text(value)!r}")
    head = {name: text for name, text in head.items() if text}
    kind = head.get("kind", kind)
    return {**head, **(_decode(kind, raw, 0) if kind in MESSAGES else {})}


def _decode(type_: str, data: memoryview, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise MalformedProtobuf("nested too deep")
    known = MESSAGES[type_]
    document: dict[str, Any] = {}
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            continue
        if field.inlined:
            document.update(_decode(field.type, _message(value), depth + 1))
        elif field.mapped:
            key, item = _entry(field, value, depth)
            document.setdefault(field.name, {})[key] = item
        elif field.repeated:
            document.setdefault(field.name, []).extend(_items(field, value, depth))
        else:
            decoded = _value(field, value, depth)
            if _kept(field, decoded):
                document[field.name] = decoded
            else:
                document.pop(field.name, None)
    return document


def _kept(field: Field, decoded: object) -> bool:
    """Whether a value is more than what Go writes for one that is not set."""
    if field.presence:
        return True
    if decoded == {}:
        return field.type not in EMPTY_DROPPED and field.name not in EMPTY_DROPPED_FIELDS
    return decoded is not None and decoded not in ("", 0)


def _items(field: Field, value: int | memoryview, depth: int) -> Iterator[object]:
    """One item of a repeated field, or all of them where integers are packed."""
    if field.type in ("int", "bool") and isinstance(value, memoryview):
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            yield _signed(number) if field.type == "int" else bool(number)
        return
    yield _value(field, value, depth)


def _entry(field: Field, value: int | memoryview, depth: int) -> tuple[str, object]:
    key: str = ""
    item: object = "0" if field.type == "Quantity" else ""
    for number, part in _fields(_message(value)):
        if number == 1:
            key = _text(part)
        elif number == 2:
            item = _value(field, part, depth)
    return key, item


def _value(field: Field, value: int | memoryview, depth: int) -> Any:
    match field.type:
        case "string":
            return _text(value)
        case "int":
            return _signed(_number(value))
        case "bool":
            return bool(_number(value))
        case "Time" | "MicroTime":
            return _time(_message(value), micro=field.type == "MicroTime")
        case "Quantity":
            return next((_text(text) for number, text in _fields(_message(value)) if number == 1), "0")
        case "IntOrString":
            return _int_or_string(_message(value))
        case "FieldsV1":
            return _json(_message(value))
        case message:
            return _decode(message, _message(value), depth + 1)


def _time(data: memoryview, *, micro: bool) -> str | None:
    """RFC 3339; None for the zero time, which is an empty message."""
    parts = {number: _signed(_number(value)) for number, value in _fields(data)}
    if not parts:
        return None
    try:
        time = EPOCH + timedelta(seconds=parts.get(1, 0), microseconds=parts.get(2, 0) // 1000)
    except OverflowError:
        raise MalformedProtobuf("a time is out of range") from None
    return time.isoformat(timespec="microseconds" if micro else "seconds").replace("+00:00", "Z")


def _int_or_string(data: memoryview) -> int | str:
    parts = dict(_fields(data))
    if _signed(_number(parts.get(1, 0))):
        return _text(parts.get(3, memoryview(b"")))
    return _signed(_number(parts.get(2, 0)))


def _json(data: memoryview) -> object:
    raw = next((_message(value) for number, value in _fields(data) if number == 1), memoryview(b""))
    try:
        return read_json(bytes(raw)) if raw else {}
    except MalformedJson as error:
        raise MalformedProtobuf(f"fieldsV1: {error}") from None


# ---- the wire format ---------------------------------------------------------------------------------------------


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message: number, and an integer or the bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise MalformedProtobuf(f"illegal tag {number} (wire type {wire_type})")
        if wire_type == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire_type == BYTES:
            length, at = _varint(data, at)
        elif wire_type in (FIXED64, FIXED32):
            length = 8 if wire_type == FIXED64 else 4
        else:
            raise MalformedProtobuf(f"illegal wireType {wire_type}")
        if length > len(data) - at:
            raise MalformedProtobuf("unexpected EOF")
        if wire_type == BYTES:
            yield number, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(MAX_VARINT_BYTES):
        if at >= len(data):
            raise MalformedProtobuf("unexpected EOF")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, at
    raise MalformedProtobuf("integer overflow")


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _number(value: int | memoryview) -> int:
    if isinstance(value, memoryview):
        raise MalformedProtobuf("wrong wireType = 2 for an integer")
    return value


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise MalformedProtobuf("wrong wireType = 0 for a message")
    return value


def _text(value: int | memoryview) -> str:
    try:
        return bytes(_message(value)).decode()
    except UnicodeDecodeError:
        raise MalformedProtobuf("a string is no UTF-8") from None
