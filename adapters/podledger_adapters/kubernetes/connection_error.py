"""What went wrong with a connection to an API server, in words: one line, with the way out where it is known."""

import os
import ssl

import aiohttp

__all__ = ["tell_connection_error"]


def tell_connection_error(error: BaseException, server: str) -> str:
    """What is said behind the server's address, which `server` begins with."""
    cause = error.__cause__
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return _untrusted(error.certificate_error)
        case aiohttp.ClientConnectorSSLError():
            return _tls_failed(cause)
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy {error.host}:{error.port} cannot be reached: {_system_error(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused: {error.status} {error.message}"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {_system_error(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            hint = "; if it speaks TLS, write https://" if server.startswith("http://") else ""
            return f"the connection was closed without an answer{hint}"
        case aiohttp.ClientPayloadError():
            return "the connection broke in the middle of an answer"
        case aiohttp.ClientOSError():
            return f"the connection broke: {_system_error(error)}"
        case TimeoutError():
            return "no answer in time"
        case _:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _system_error(error: OSError) -> str:
    """The system's words; asyncio puts its own in place of them. Numbers of name look-ups are below zero."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _tls_failed(cause: BaseException | None) -> str:
    reason = cause.reason if isinstance(cause, ssl.SSLError) else str(cause)
    if reason == "WRONG_VERSION_NUMBER":
        return "it speaks no TLS; is it an http:// address?"
    words = reason.replace("_", " ").lower()
    return f"it refused ({words}); does it want another client certificate?" if "alert" in words else f"TLS: {words}"


def _untrusted(cause: Exception) -> str:
    why = getattr(cause, "verify_message", "") or str(cause)
    if "mismatch" in why or "not valid for" in why:
        return f"its certificate is another server's ({why}); check server and tls-server-name in the kubeconfig"
    return f"its certificate is not trusted ({why}); check certificate-authority in the kubeconfig"
