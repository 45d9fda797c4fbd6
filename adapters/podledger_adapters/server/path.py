"""From a request's path to what it is about: a resource of a namespace, one object, a subresource.

Pure text work. What is served at all is `resource.py`.
"""

from typing import Literal

from msgspec import Struct

from podledger_adapters.server.resource import ApiResource, Subresource, find

__all__ = ["ApiPath", "RequestVerb", "parse_path"]

RequestVerb = Literal["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


class ApiPath(Struct, frozen=True):
    """A path below a group and version. `resource` is None where there is none of this name."""

    group: str
    version: str
    resource: ApiResource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def served_subresource(self) -> Subresource | None:
        """The subresource, if it names one that is served."""
        if self.resource is None or not self.subresource:
            return None
        return self.resource.subresource(self.subresource)

    def verb(self, method: str, *, watch: bool = False) -> RequestVerb | None:
        """What the API calls a request to this path, None for a method that no path has."""
        if not self.name:
            match method:
                case "GET" | "HEAD":
                    return "watch" if watch else "list"
                case "POST":
                    return "create"
                case "DELETE":
                    return "deletecollection"
                case _:
                    return None
        match method:
            case "GET" | "HEAD":
                return "get"
            case "POST":
                return "create"
            case "PUT":
                return "update"
            case "PATCH":
                return "patch"
            case "DELETE":
                return "delete"
            case _:
                return None


def parse_path(path: str) -> ApiPath | None:
    """What a path is about; None for one that is not below a group and version (such as /version)."""
    parts = path.strip("/").split("/")
    if len(parts) >= 2 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 3 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if not rest:
        return ApiPath(group, version)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not _of_namespace(group, version, rest):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or "" in rest:
        return ApiPath(group, version)
    resource = find(group, version, rest[0])
    if resource is None or (namespace and not resource.namespaced):
        return ApiPath(group, version)
    if resource.namespaced and not namespace and len(rest) > 1:
        return ApiPath(group, version)
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and resource.subresource(subresource) is None:
        return ApiPath(group, version)
    return ApiPath(group, version, resource, namespace, name, subresource)


def _of_namespace(group: str, version: str, rest: list[str]) -> bool:
    """Whether this is a subresource of a namespace itself, as in /api/v1/namespaces/NAME/status."""
    namespaces = find(group, version, "namespaces")
    return namespaces is not None and len(rest) == 3 and namespaces.subresource(rest[2]) is not None
