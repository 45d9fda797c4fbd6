"""HOST:PORT on the command line."""

from podledger.errors import InputError

__all__ = ["parse_tcp_address"]


def parse_tcp_address(flag: str, text: str) -> tuple[str, int]:
    """Host and port; a port alone, or behind a colon, means loopback. Raises InputError, which names the flag."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise InputError(f"{flag} {text}: must be HOST:PORT, such as 127.0.0.1:8080; port 0 is any free one")
    return host, int(port)
