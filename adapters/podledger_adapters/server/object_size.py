"""How large an object may be: etcd, in which a real API server stores objects as protobuf, takes no larger requests.

Sizes are those of `protobuf.py`'s messages as Go writes them: plain scalars also where they are empty.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from podledger_adapters.server.objects import encode_object
from podledger_adapters.server.protobuf import MESSAGES, Field
from podledger_adapters.store.api_error import ApiError
from podledger_adapters.store.kinds import RESOURCES, StoredObject

__all__ = ["MAX_STORED", "message_size", "stored_size_refusal"]

MAX_STORED: Final = 1536 * 1024
"""Bytes of a request that etcd takes by default."""
MAX_SENT: Final = 2 * 1024 * 1024
"""Bytes that an API server's client of etcd sends by default; it refuses before etcd can."""
REQUEST: Final = 256
"""About what surrounds the object in a request: its key, the condition on it, and what the server still sets."""

MEASURED_FROM: Final = MAX_STORED // 4
"""Bytes of text from which an object is measured, which takes long: protobuf has empty scalars that text has not, but
names and quotes of text are more in any object that is valid."""


def stored_size_refusal(stored: StoredObject) -> ApiError | None:
    """What a real API server answers where etcd does not take an object: a 500 without a reason. None if it fits."""
    text = encode_object(stored)
    if len(text) < MEASURED_FROM:
        return None
    document: dict[str, Any] = msgspec.json.decode(text)
    size = message_size(RESOURCES[type(stored)].kind, document) + REQUEST
    if size > MAX_SENT:
        why = f"trying to send message larger than max ({size} vs. {MAX_SENT})"
        return ApiError(500, "", f"rpc error: code = ResourceExhausted desc = {why}")
    return ApiError(500, "", "etcdserver: request is too large") if size > MAX_STORED else None


def message_size(type_: str, document: Mapping[str, Any]) -> int:
    """Bytes of a document as a message of this type."""
    size = 0
    for number, field in MESSAGES[type_].items():
        if field.inlined:
            size += _tagged(number, message_size(field.type, document))
        elif field.mapped:
            one = Field("", field.type)
            for key, item in document.get(field.name, {}).items():
                size += _tagged(number, _tagged(1, len(key.encode())) + _value_size(2, one, item))
        elif field.repeated:
            size += sum(_value_size(number, field, item) for item in document.get(field.name, ()))
        elif field.name in document:
            size += _value_size(number, field, document[field.name])
        elif not field.presence and field.type in ("string", "int", "bool"):
            size += _varint(number << 3) + 1
    return size


def _value_size(number: int, field: Field, value: Any) -> int:
    """One value with its tag."""
    match field.type:
        case "string":
            return _tagged(number, len(value.encode()))
        case "int" | "bool":
            return _varint(number << 3) + _varint(int(value))
        case "Time" | "MicroTime" if value is None:
            return _tagged(number, 0)
        case "Time" | "MicroTime":
            time = datetime.fromisoformat(value)
            seconds, nanoseconds = int(time.replace(microsecond=0).timestamp()), time.microsecond * 1000
            return _tagged(number, 2 + _varint(seconds) + _varint(nanoseconds))
        case "Quantity":
            return _tagged(number, _tagged(1, len(value.encode())))
        case "IntOrString":
            # Which of the two it is, the number, the text: always all three.
            text, integer = (value, 0) if isinstance(value, str) else ("", value)
            return _tagged(number, 3 + _varint(integer) + _tagged(3, len(text.encode())))
        case "FieldsV1":
            return _tagged(number, _tagged(1, len(msgspec.json.encode(value))))
        case message:
            return _tagged(number, message_size(message, value))


def _tagged(number: int, length: int) -> int:
    """Bytes of a length-delimited field."""
    return _varint(number << 3) + _varint(length) + length


def _varint(number: int) -> int:
    """Bytes of an integer; a negative one has ten."""
    return 10 if number < 0 else max((number.bit_length() + 6) // 7, 1)
