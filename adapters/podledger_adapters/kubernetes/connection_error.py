"""What went wrong with a connection to an API server, in words: one line, with the way out where it is known."""

import ssl

import aiohttp

__all__ = ["tell_connection_error"]


def tell_connection_error(error: BaseException, server: str) -> str:
    """What is said behind the server's address, which `server` begins with."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return _untrusted(error.certificate_error)
        case aiohttp.ClientConnectorSSLError():
            return f"TLS failed; does it speak https://? ({error})"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy {error.host}:{error.port} cannot be reached: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused: {error.status} {error.message}"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {error.os_error.strerror or error.os_error}"
        case aiohttp.ServerDisconnectedError():
            hint = "; if it speaks TLS, write https://" if server.startswith("http://") else ""
            return f"the connection was closed without an answer{hint}"
        case TimeoutError():
            return "no answer in time"
        case _ if isinstance(error.__cause__ or error, ssl.SSLError):
            return f"TLS failed: {error.__cause__ or error}"
        case _:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _untrusted(cause: Exception) -> str:
    why = getattr(cause, "verify_message", "") or str(cause)
    if "mismatch" in why or "not valid for" in why:
        return f"its certificate is another server's ({why}); check server and tls-server-name in the kubeconfig"
    return f"its certificate is not trusted ({why}); check certificate-authority in the kubeconfig"
