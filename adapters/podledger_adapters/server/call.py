"""One request to a resource: its parameters, its body, and the server's parts that handlers need.

Parameters are read as Kubernetes reads them; what they mean is the handlers' matter.
"""

from collections.abc import Mapping
from typing import Final

import anyio
from starlette.requests import ClientDisconnect, Request

from podledger.api.field_error import FieldError, go_quote
from podledger.ports import Clock
from podledger_adapters.local import LocalCluster
from podledger_adapters.server.body import check_size
from podledger_adapters.server.large_work import LargeWork
from podledger_adapters.server.list_snapshots import ListSnapshots
from podledger_adapters.server.negotiation import wants_pretty
from podledger_adapters.server.path import ApiPath
from podledger_adapters.server.resource import ApiResource
from podledger_adapters.server.status import bad_request, invalid, server_timeout
from podledger_adapters.server.wire_changes import WireChanges
from podledger_adapters.store import ObjectStore
from podledger_adapters.store.api_error import ApiError

__all__ = ["BODY_TIMEOUT_S", "Call", "ServerState"]

BODY_TIMEOUT_S: Final = 60.0
"""How long a request's body may take to arrive."""


class ServerState:
    """What all requests share."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.store: ObjectStore = cluster.store
        self.clock: Clock = cluster.clock
        self.lists = ListSnapshots(self.clock)
        self.changes = WireChanges()
        self.large_work = LargeWork(self.clock)
        self.stopping = anyio.Event()
        """Set when the server stops: streams end."""


class Call:
    """One request. `resource` is what its path is about."""

    def __init__(self, request: Request, path: ApiPath, resource: ApiResource, state: ServerState) -> None:
        self.request, self.path, self.resource, self.state = request, path, resource, state
        self.store = state.store
        self.query: Mapping[str, str] = request.query_params

    @property
    def namespace(self) -> str:
        """The namespace of the path, "" for a cluster-scoped resource or all namespaces."""
        return self.path.namespace

    @property
    def name(self) -> str:
        """The object's name in the path, "" for a collection."""
        return self.path.name

    @property
    def key(self) -> tuple[str, str]:
        """Where the store has the object."""
        return (self.path.namespace, self.path.name)

    @property
    def accept(self) -> str | None:
        """The Accept header."""
        return self.request.headers.get("accept")

    @property
    def content_type(self) -> str | None:
        """The Content-Type header."""
        return self.request.headers.get("content-type")

    @property
    def user_agent(self) -> str:
        """The User-Agent header."""
        return self.request.headers.get("user-agent", "")

    @property
    def pretty(self) -> bool:
        """Whether a person reads the JSON."""
        return wants_pretty(self.query.get("pretty"), self.user_agent)

    def flag(self, name: str) -> bool:
        """A parameter that is true or false: given, it is true unless it says 0 or false."""
        value = self.query.get(name)
        return value is not None and value.lower() not in ("0", "false")

    def integer(self, name: str) -> int | None:
        """A parameter that is a number. Raises ApiError (400)."""
        value = self.query.get(name)
        if not value:
            return None
        try:
            number = int(value)
        except ValueError:
            raise bad_request(f"strconv.ParseInt: parsing {go_quote(value)}: invalid syntax") from None
        if not -(1 << 63) <= number < 1 << 63:
            raise bad_request(f"strconv.ParseInt: parsing {go_quote(value)}: value out of range")
        return number

    def refuse_options(self, kind: str, *causes: FieldError) -> ApiError:
        """422 for parameters; `kind` is what Kubernetes calls them, such as ListOptions."""
        return invalid(f"{kind}.meta.k8s.io", "meta.k8s.io", kind, "", causes)

    async def body(self) -> bytes:
        """The whole body, bounded in size and time. Raises ApiError (400, 413, 504)."""
        length = self.request.headers.get("content-length", "")
        if length.isdecimal():
            check_size(int(length))
        data = bytearray()
        try:
            with anyio.fail_after(BODY_TIMEOUT_S):
                async for chunk in self.request.stream():
                    data += chunk
                    check_size(len(data))
        except TimeoutError:
            raise server_timeout(f"the body did not arrive within {BODY_TIMEOUT_S:g} s") from None
        except ClientDisconnect:
            raise bad_request("the client went away before its body had arrived") from None
        return bytes(data)
