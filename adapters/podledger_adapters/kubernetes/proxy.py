"""Which proxy leads to an API server: the kubeconfig's, else the environment's, by the rules that kubectl goes by.

Pure. Those rules are Go's (golang.org/x/net/http/httpproxy): NO_PROXY may name networks and ports, and what is on this
machine is never asked for through a proxy of the environment.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from podledger.errors import ClusterError

__all__ = ["choose_proxy"]

SCHEMES = ("http://", "https://")
PORTS = {"http": 80, "https": 443}

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def choose_proxy(server: str, configured: str, source: str, environ: Mapping[str, str]) -> str:
    """The proxy's URL, "" for none. `configured` is the kubeconfig's, `source` names that. Raises ClusterError."""
    if configured:
        return _usable(configured, f"{source}: proxy-url")
    parts = urlsplit(server)
    name = f"{parts.scheme.upper()}_PROXY"
    proxy = _variable(environ, name)
    if not proxy or _passes(parts.hostname or "", parts.port or PORTS[parts.scheme], _variable(environ, "NO_PROXY")):
        return ""
    return _usable(proxy if "://" in proxy else f"http://{proxy}", name)


def _usable(proxy: str, where: str) -> str:
    if not proxy.startswith(SCHEMES) or not urlsplit(proxy).hostname:
        shown = proxy.rpartition("@")[2]  # without a password
        raise ClusterError(f"{where} {shown}: only http:// and https:// proxies can be used")
    return proxy


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower(), "")


def _passes(host: str, port: int, exceptions: str) -> bool:
    """Whether a host is asked directly, whatever proxy there is."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for written in exceptions.split(","):
        entry = written.strip().lower()
        if entry == "*" or (entry and _names(entry, host, address, port)):
            return True
    return False


def _names(entry: str, host: str, address: _Ip | None, port: int) -> bool:
    """Whether one entry of NO_PROXY means a host: a network, or an address or a domain with a port or without."""
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name = entry
    if _address(entry) is None:
        before, colon, after = entry.rpartition(":")
        if colon and after.isdecimal():
            if int(after) != port:
                return False
            name = before
    name = name.removeprefix("[").removesuffix("]")
    if (meant := _address(name)) is not None:
        return meant == address
    name = name.removeprefix("*")
    return bool(name) and (host.endswith(name) if name.startswith(".") else f".{host}".endswith(f".{name}"))


def _address(text: str) -> _Ip | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
