"""Plain documents to the protobuf bodies that Kubernetes clients send: the reverse of the server's decoder, for tests.

It follows Go's encoder: plain scalars are always written, also where they are empty, in the order of their numbers.
"""

import json
import struct
from datetime import datetime
from typing import Any

from podledger_adapters.server.protobuf import MAGIC, MESSAGES, Field

__all__ = ["encode", "encode_message", "fixed64", "frame", "tagged", "varint"]


def varint(number: int) -> bytes:
    """A base-128 integer; negatives in two's complement of ten bytes."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tagged(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def frame(api_version: str, kind: str, raw: bytes) -> bytes:
    """A message in Kubernetes' frame."""
    head = tagged(1, api_version.encode()) + tagged(2, kind.encode())
    return MAGIC + tagged(1, head) + tagged(2, raw) + tagged(3, b"") + tagged(4, b"")


def encode(document: dict[str, Any]) -> bytes:
    """The body for a document of a kind that the decoder knows."""
    kind = document["kind"]
    return frame(document["apiVersion"], kind, encode_message(kind, document))


def encode_message(type_: str, document: dict[str, Any]) -> bytes:
    """The bytes of one message."""
    out = b""
    for number, field in sorted(MESSAGES[type_].items()):
        if field.inlined:
            out += tagged(number, encode_message(field.type, document))
        elif field.mapped:
            for key, item in sorted(document.get(field.name, {}).items()):
                out += tagged(number, tagged(1, key.encode()) + one(2, Field("", field.type), item))
        elif field.repeated:
            for item in document.get(field.name, ()):
                out += one(number, field, item)
        elif field.name in document:
            out += one(number, field, document[field.name])
        elif not field.presence and field.type in ("string", "int", "bool"):
            out += one(number, field, {"string": "", "int": 0, "bool": False}[field.type])
    return out


def one(number: int, field: Field, value: Any) -> bytes:
    """One value with its tag."""
    match field.type:
        case "string":
            return tagged(number, value.encode())
        case "int" | "bool":
            return varint(number << 3) + varint(int(value))
        case "Time" | "MicroTime":
            time = datetime.fromisoformat(value)
            seconds, micros = int(time.replace(microsecond=0).timestamp()), time.microsecond
            return tagged(number, varint(1 << 3) + varint(seconds) + varint(2 << 3) + varint(micros * 1000))
        case "Quantity":
            return tagged(number, tagged(1, value.encode()))
        case "IntOrString" if isinstance(value, str):
            return tagged(number, b"\x08\x01\x10\x00" + tagged(3, value.encode()))
        case "IntOrString":
            return tagged(number, b"\x08\x00\x10" + varint(value) + tagged(3, b""))
        case "FieldsV1":
            return tagged(number, tagged(1, json.dumps(value, separators=(",", ":")).encode()))
        case message:
            return tagged(number, encode_message(message, value))


def fixed64(number: int, value: float) -> bytes:
    """A field of a wire type that no Kubernetes message uses."""
    return varint(number << 3 | 1) + struct.pack("<d", value)
