"""Stored objects in the form a client accepts: as they are, as rows of a Table, or their metadata alone.

All but plain JSON is made by Python code, so of much it is made in a thread (`large_work.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from podledger.api.field_error import not_supported
from podledger_adapters.server.answer import document_answer, encoded_answer
from podledger_adapters.server.call import Call
from podledger_adapters.server.negotiation import JSON, Representation, encode, negotiate
from podledger_adapters.server.objects import document_of, encode_object
from podledger_adapters.server.tables import partial, partial_list, table
from podledger_adapters.store.kinds import RESOURCES, StoredObject

__all__ = ["INCLUDE_OBJECT", "Form", "form_of", "list_answer", "object_answer", "read_form"]

INCLUDE_OBJECT = ("Metadata", "Object", "None")
"""What the row of a Table may hold of its object."""


class Form(Struct, frozen=True):
    """How objects are written for one client."""

    kind: str
    representation: Representation
    include_object: str = "Metadata"
    pretty: bool = False

    @property
    def name(self) -> str:
        """What makes this form differ from others, for what is shared between clients."""
        shown = self.representation
        return "" if shown.form == "object" else f"{shown.form}/{shown.version}/{self.include_object}"

    def document(self, documents: Sequence[Mapping[str, Any]], now_s: float, *, columns: bool = True) -> dict[str, Any]:
        """One object, or one row, in this form."""
        shown = self.representation
        if shown.form == "Table":
            return table(
                self.kind,
                documents,
                now_s,
                version=shown.version,
                include_object=self.include_object,
                columns=columns,
            )
        if shown.form == "object":
            return dict(documents[0])
        return partial(documents[0], version=shown.version)

    def encoder(self, now_s: Callable[[], float], *, columns: bool) -> Callable[[StoredObject], bytes]:
        """What encodes an object of a watch in this form."""
        if self.representation.form == "object":
            return encode_object

        def encoded(stored: StoredObject) -> bytes:
            document = self.document([document_of(stored)], now_s(), columns=columns)
            return encode(document, self.representation).rstrip(b"\n")

        return encoded


def read_form(call: Call, *, collection: bool = False, watch: bool = False) -> Form:
    """The form a request asks for. Raises ApiError (406, 422)."""
    representation = negotiate(call.accept, collection=collection, watch=watch)
    include = call.query.get("includeObject", "") or "Metadata"
    if representation.form == "Table" and include not in INCLUDE_OBJECT:
        raise call.refuse_options("TableOptions", not_supported("includeObject", include, INCLUDE_OBJECT))
    return Form(call.resource.kind, representation, include, call.pretty)


async def object_answer(
    call: Call, form: Form, stored: StoredObject, *, code: int = 200, warnings: Sequence[str] = ()
) -> Response:
    """One object; `form` was read before anything was written, so that what cannot be answered is not done."""
    shown, text = form.representation, encode_object(stored)
    if shown.form == "object" and shown.media_type == JSON and not form.pretty:
        return encoded_answer(text + b"\n", code=code, warnings=warnings)
    now_s = call.state.clock.now()

    def answer() -> Response:
        document = form.document([msgspec.json.decode(text)], now_s)
        if shown.form == "Table":
            document["metadata"] = {"resourceVersion": stored.metadata.resource_version}
        return document_answer(document, shown, code=code, pretty=form.pretty, warnings=warnings)

    return await call.state.large_work.run(len(text), answer)


async def list_answer(
    call: Call, form: Form, objects: Sequence[StoredObject], metadata: Mapping[str, Any], warnings: Sequence[str] = ()
) -> Response:
    """A list of objects; `metadata` is the list's own."""
    kind, shown = call.resource.kind, form.representation
    head = {"kind": f"{kind}List", "apiVersion": call.resource.api_version, "metadata": metadata}
    if shown.form == "object" and shown.media_type == JSON and not form.pretty:
        body = encode(head, shown).rstrip(b"\n}") + b'},"items":[' + b",".join(map(_item, objects)) + b"]}\n"
        return encoded_answer(body, warnings=warnings)
    texts, now_s = [encode_object(stored) for stored in objects], call.state.clock.now()

    def answer() -> Response:
        documents: list[dict[str, Any]] = [msgspec.json.decode(text) for text in texts]
        if shown.form == "Table":
            document = form.document(documents, now_s)
            document["metadata"] = metadata
        elif shown.form == "object":
            for each in documents:
                del each["kind"], each["apiVersion"]
            document = {**head, "items": documents}
        else:
            document = partial_list(documents, metadata, version=shown.version)
        return document_answer(document, shown, pretty=form.pretty, warnings=warnings)

    return await call.state.large_work.run(sum(map(len, texts)), answer)


def _item(stored: StoredObject) -> bytes:
    """An object inside a list, which says what kind its items are."""
    resource = RESOURCES[type(stored)]
    head = len(f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",')
    return b"{" + encode_object(stored)[head:]


def form_of(call: Call) -> Form:
    """The form of a watch's events."""
    return read_form(call, collection=True, watch=True)
