"""Which proxy leads to an API server, by the kubeconfig and by the environment."""

import pytest

from podledger.errors import ClusterError
from podledger_adapters.kubernetes.proxy import choose_proxy

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "environ", "chosen"),
    [
        ("https://api:6443", {}, ""),
        ("https://api:6443", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://api:6443", {"https_proxy": PROXY}, PROXY),
        ("https://api:6443", {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY),
        ("https://api:6443", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, ""),
        ("http://api:6443", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://api:6443", {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://127.0.0.9:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://localhost.example:6443", {"HTTPS_PROXY": PROXY}, PROXY),
    ],
)
def test_the_environment_has_a_proxy_for_each_scheme(server: str, environ: dict[str, str], chosen: str) -> None:
    assert choose_proxy(server, "", "a test", environ) == chosen


@pytest.mark.parametrize(
    ("server", "exceptions", "direct"),
    [
        ("https://10.96.0.1:443", "10.96.0.0/12", True),
        ("https://10.112.0.1:443", "10.96.0.0/12", False),
        ("https://10.96.0.1:443", "10.96.0.1", True),
        ("https://10.96.0.1:443", "10.96.0.1:443", True),
        ("https://10.96.0.1:443", "10.96.0.1:6443", False),
        ("https://10.96.0.10:443", "10.96.0.1", False),
        ("https://[fd00::1]:443", "fd00::/8", True),
        ("https://[fd00::1]:443", "fd00:0::1", True),
        ("https://[fd00::1]:443", "[fd00::1]:443", True),
        ("https://[fd00::1]", "[fd00::1]:443", True),
        ("https://[fd00::1]:443", "[fd00::1]:6443", False),
        ("https://api.example.com", "example.com", True),
        ("https://example.com", "example.com", True),
        ("https://example.com", ".example.com", False),
        ("https://api.example.com", ".Example.com", True),
        ("https://api.example.com", "*.example.com", True),
        ("https://an-example.com", "example.com", False),
        ("https://api.example.com", "example.com:443", True),
        ("https://api.example.com:6443", "example.com:443", False),
        ("https://api.example.com", "other.com, *", True),
        ("https://api.example.com", "other.com, api.example.com ", True),
        ("https://api.example.com", ", :443, /, 1.2.3.4/99, .", False),
    ],
)
def test_no_proxy_names_hosts_networks_and_ports(server: str, exceptions: str, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        environ = {"HTTPS_PROXY": PROXY, name: exceptions}
        assert choose_proxy(server, "", "a test", environ) == ("" if direct else PROXY)


def test_the_kubeconfigs_proxy_goes_before_the_environments_and_has_no_exceptions() -> None:
    environ = {"HTTPS_PROXY": "http://other", "NO_PROXY": "*"}
    assert choose_proxy("https://127.0.0.1:6443", PROXY, "a test", environ) == PROXY


@pytest.mark.parametrize("proxy", ["socks5://me:secret@proxy:1080", "proxy:3128", "ftp://proxy", "http://"])
def test_other_proxies_are_refused_without_showing_their_password(proxy: str) -> None:
    with pytest.raises(ClusterError, match=r"a test: proxy-url .*only http:// and https:// proxies") as raised:
        choose_proxy("https://api", proxy, "a test", {})
    assert "secret" not in str(raised.value)


def test_a_socks_proxy_of_the_environment_is_refused_by_its_variable() -> None:
    with pytest.raises(ClusterError, match="HTTPS_PROXY socks5://proxy:1080: only http"):
        choose_proxy("https://api", "", "a test", {"https_proxy": "socks5://proxy:1080"})
