"""The FILE arguments of a command to the objects in them: files, `-` for stdin, `kind: List` unfolded.

Which objects a command can use, and whether they are valid, is the business of `preflight`.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from podledger_adapters.manifest.fault import Fault, ManifestError, Place
from podledger_adapters.manifest.yaml_text import MAX_BYTES, YamlDocument, read_documents

__all__ = ["ManifestObject", "read_manifests"]

STDIN = "-"


class ManifestObject(NamedTuple):
    """One object of a manifest. `prefix` is its path within the document: "" or, in a List, `items[3]`."""

    document: YamlDocument
    prefix: str
    value: Mapping[str, Any]

    def fault(self, message: str, field: str = "") -> Fault:
        """A fault of this object, at the place of `field` (a path within the object)."""
        path = ".".join(part for part in (self.prefix, field) if part)
        return Fault(self.document.place(path), message, path)


def read_manifests(files: Sequence[str]) -> tuple[Sequence[ManifestObject], Sequence[Fault]]:
    """The objects of all files, in order, and what is wrong with the files that could not be read to their end."""
    objects: list[ManifestObject] = []
    faults: list[Fault] = []
    for file in files:
        if file == STDIN and files.count(STDIN) > 1:
            faults.append(Fault(Place("stdin"), "`-` is given more than once, but can be read only once"))
            break
        source = "stdin" if file == STDIN else file
        try:
            documents = read_documents(source, _read_stdin() if file == STDIN else _read_file(file))
            before = len(objects)
            for document in documents:
                objects.extend(_objects(document))
            if len(objects) == before:
                faults.append(Fault(Place(source), "holds no object; write a batch/v1 Job into it"))
        except ManifestError as error:
            faults.extend(error.faults)
    return objects, faults


def _read_file(file: str) -> bytes:
    if not file:
        raise ManifestError([Fault(Place("FILE"), "is empty; give the name of a manifest")])
    try:
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        raise ManifestError([Fault(Place(file), "is a directory; name the files in it")]) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ManifestError([Fault(Place(file), f"cannot be read: {reason}; check the path")]) from error


def _read_stdin() -> bytes:
    # Python leaves None where the descriptor was closed when it started.
    stdin = cast("Any", sys.stdin)
    try:
        if stdin is None or stdin.closed:
            raise OSError(None, "it is closed")
        data: bytes = stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        text = f"cannot be read: {error.strerror}; pipe a manifest into the command, or name a file"
        raise ManifestError([Fault(Place("stdin"), text)]) from error
    return data


def _objects(document: YamlDocument) -> Iterator[ManifestObject]:
    whole = ManifestObject(document, "", _mapping(document.value, document.place(), ""))
    if whole.value.get("kind") != "List":
        yield whole
        return
    items: object = whole.value.get("items")
    if not isinstance(items, list):
        raise ManifestError([whole.fault("must be the list of the objects", "items")])
    for i, item in enumerate(cast("list[object]", items)):
        prefix = f"items[{i}]"
        yield ManifestObject(document, prefix, _mapping(item, document.place(prefix), prefix))


def _mapping(value: object, place: Place, field: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    words: dict[type, str] = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    text = f"is {words.get(type(value), 'a number')}, but must be an object with apiVersion, kind, metadata and spec"
    raise ManifestError([Fault(place, text, field)])
