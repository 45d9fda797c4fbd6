"""The document in a request's body: read, decoded, its fields checked; in a thread where it is large."""

from collections.abc import Sequence
from typing import Any

from podledger_adapters.server.body import decode_body
from podledger_adapters.server.call import Call
from podledger_adapters.server.field_validation import FieldValidation, checked
from podledger_adapters.server.negotiation import media_type

__all__ = ["read_document"]


async def read_document(
    call: Call, kind: str, api_version: str, validation: FieldValidation
) -> tuple[dict[str, Any], Sequence[str], int]:
    """The document of this kind as it can be stored, the warnings its fields deserve, and the bytes that came.

    Raises ApiError (400, 413, 415, 504).
    """
    media = media_type(call.content_type)
    data = await call.body()

    def decoded() -> tuple[dict[str, Any], Sequence[str]]:
        body = decode_body(kind, api_version, media, data)
        return checked(kind, api_version.rpartition("/")[2], body.document, validation, body.duplicates)

    document, warnings = await call.state.large_work.run(len(data), decoded)
    return document, warnings, len(data)
