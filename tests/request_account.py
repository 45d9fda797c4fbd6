"""What an API server was asked, counted where it is answered: requests by verb, resource, subresource and object."""

from typing import Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from podledger_adapters.server.path import parse_path

__all__ = ["Asked", "RequestAccount"]

READS: Final = ("get", "list", "watch")


class Asked(Struct, frozen=True):
    """One request, as the API names it, and its answer's code. `name` is "" for a create or a collection.

    `resource_version` is that of the object in the answer to a write, "" for none.
    """

    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    query: dict[str, str]
    code: int
    resource_version: str = ""

    @property
    def writes(self) -> bool:
        """Whether it asks for a change."""
        return self.verb not in READS

    @property
    def lists(self) -> bool:
        """Whether it begins a list: the first page of one, or a watch that begins with one."""
        if self.verb == "list":
            return "continue" not in self.query
        return self.verb == "watch" and self.query.get("sendInitialEvents") == "true"

    @property
    def consistent(self) -> bool:
        """Whether a list has to be answered from the source of truth: one that names a resourceVersion need not."""
        return not self.query.get("resourceVersion")


class _Metadata(Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Object(Struct, frozen=True):
    metadata: _Metadata = _Metadata()


_object = msgspec.json.Decoder(_Object)


class RequestAccount:
    """Goes around an application. `asked` has every request that was answered, in the order of the answers."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            path = parse_path(scope["path"]) if scope["type"] == "http" else None
            if path is None or path.resource is None:
                await app(scope, receive, send)
                return
            query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
            verb = path.verb(scope["method"], watch=query.get("watch") == "true")
            place = (verb or "", path.resource.plural, path.subresource, path.namespace, path.name)
            code = 0

            async def answer(message: Message) -> None:
                nonlocal code
                if message["type"] == "http.response.start":
                    code = message["status"]
                    if verb in READS:  # a watch may never end
                        self.asked.append(Asked(*place, query, code))
                elif verb not in READS and not message.get("more_body", False):
                    self.asked.append(Asked(*place, query, code, _version_in(message.get("body", b""))))
                await send(message)

            await app(scope, receive, answer)

        return counted

    def writes(self) -> list[Asked]:
        """The writes, those of leases and of Kubernetes Events apart."""
        return [each for each in self.asked if each.writes and each.resource not in ("leases", "events")]


def _version_in(body: bytes) -> str:
    try:
        return _object.decode(body).metadata.resource_version
    except msgspec.DecodeError:
        return ""
