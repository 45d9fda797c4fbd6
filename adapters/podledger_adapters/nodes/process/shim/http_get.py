"""What probes and hooks ask over HTTP. Blocking, and run in a process of its own, as `network` says.

The rules and the words are a kubelet's (k8s.io/kubernetes/pkg/probe): certificates are not verified, redirects are
followed on the same host, 200 to 399 is success. Apart from `network`: a shim that asks over HTTP takes 4 MB more.
"""

import http.client
import ssl
import urllib.parse
from collections.abc import Sequence

from .network import refusal
from .pod_spec import Action

__all__ = ["get", "url_of"]

MAX_REDIRECTS = 10
USER_AGENT = "kube-probe/1.36"
_SAFE = "/?&=%:;@!$'()*+,~#[]"
"""What stays as it is in a path; all else, such as blanks and letters beyond ASCII, is sent percent-encoded."""


def url_of(action: Action) -> str:
    """The address that an http action asks."""
    host = f"[{action['host']}]" if ":" in action["host"] else action["host"]
    path = urllib.parse.quote(action["path"], safe=_SAFE)
    path = path if path.startswith("/") else f"/{path}"
    return f"{action['scheme'].lower()}://{host}:{action['port']}{path}"


def get(action: Action) -> tuple[bool, str]:
    """Whether the answer is a good one; what is wrong with it."""
    url = first = url_of(action)
    for _ in range(MAX_REDIRECTS):
        parts = urllib.parse.urlsplit(url)
        try:
            status, location = _answer(parts, action["headers"])
        except http.client.RemoteDisconnected:
            return False, f'Get "{url}": EOF'
        except (OSError, UnicodeError) as error:
            return False, f'Get "{url}": {refusal(error, parts.hostname or "", parts.port)}'
        except (http.client.HTTPException, ValueError) as error:
            return False, f'Get "{url}": {error or type(error).__name__}'
        if status in (301, 302, 303, 307, 308) and location:
            # Headers come as Latin-1, whatever they are; so their bytes are kept.
            url = urllib.parse.urljoin(url, urllib.parse.quote(location, safe=_SAFE, encoding="latin-1"))
            if urllib.parse.urlsplit(url).hostname != parts.hostname:
                # Another host is not asked, and that is no failure.
                return True, ""
            continue
        if action["any_status"] or 200 <= status < 400:
            return True, ""
        return False, f"HTTP probe failed with statuscode: {status}"
    return False, f'Get "{first}": stopped after {MAX_REDIRECTS} redirects'


def _answer(url: urllib.parse.SplitResult, headers: Sequence[tuple[str, str]]) -> tuple[int, str | None]:
    """Status and Location. Raises OSError, HTTPException, ValueError."""
    host = url.hostname or ""
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, url.port, context=context)
    else:
        connection = http.client.HTTPConnection(host, url.port)
    given = {name.lower() for name, _ in headers}
    connection.putrequest(
        "GET",
        urllib.parse.urlunsplit(("", "", url.path or "/", url.query, "")),
        skip_host="host" in given,
        skip_accept_encoding=True,
    )
    for name, value in (("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Connection", "close")):
        if name.lower() not in given:
            connection.putheader(name, value)
    for name, value in headers:
        # One that is set to nothing takes a default away.
        if value or name.lower() not in ("user-agent", "accept"):
            connection.putheader(name, value.encode())
    connection.endheaders()
    answer = connection.getresponse()
    try:
        return answer.status, answer.getheader("Location")
    finally:
        connection.close()
