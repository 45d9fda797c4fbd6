"""Answers: documents and refusals with their headers. What is in them is decided elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from podledger_adapters.server.negotiation import JSON, Representation, encode, warning_headers
from podledger_adapters.server.status import PATH_NOT_FOUND, retry_after_s, status_of

__all__ = ["NO_CACHE", "document_answer", "encoded_answer", "error_answer", "path_not_found", "send_error"]

NO_CACHE = "no-cache, private"
"""Cache-Control of all answers, as with a real API server."""

PLAIN = Representation()


def encoded_answer(body: bytes, *, code: int = 200, content_type: str = JSON, warnings: Sequence[str] = ()) -> Response:
    """A body that is encoded already."""
    response = Response(body, code, {"cache-control": NO_CACHE, "content-type": content_type})
    for value in warning_headers(warnings):
        # As UTF-8, as a real API server writes it: field names of users stand in it.
        response.raw_headers.append((b"warning", value.encode(errors="replace")))
    return response


def document_answer(
    document: Mapping[str, Any],
    representation: Representation = PLAIN,
    *,
    code: int = 200,
    pretty: bool = False,
    warnings: Sequence[str] = (),
) -> Response:
    """A document in this representation."""
    body = encode(document, representation, pretty=pretty)
    return encoded_answer(body, code=code, content_type=representation.content_type, warnings=warnings)


def error_answer(error: Exception, *, warnings: Sequence[str] = ()) -> Response:
    """The Status of a refusal."""
    status = status_of(error)
    response = document_answer(status, code=status["code"], warnings=warnings)
    seconds = retry_after_s(status)
    if seconds is not None:
        response.headers["retry-after"] = str(seconds)
    return response


def path_not_found() -> Response:
    """What a path outside the API gets."""
    return PlainTextResponse(PATH_NOT_FOUND, 404)


async def send_error(scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    """Answer a request of the ASGI protocol with a refusal."""
    await error_answer(error)(scope, receive, send)
