"""A Kubernetes for Jobs in your tests: pytest fixtures, for code that creates, watches or waits for Jobs.

In conftest.py: `pytest_plugins = ["podledger_adapters.testing"]`. Then a test asks for `podledger_server`:

    def test_report(podledger_server):
        kubernetes.config.load_kube_config(str(podledger_server.kubeconfig))
        ...

Each test gets a server of its own on a free port, with pods that are processes. For another cluster, such as
pods that succeed without running, define a fixture of your own by the name `podledger_options`:

    @pytest.fixture
    def podledger_options():
        return ServerOptions(cluster="memory", pods="simulate")

For one server for many tests, use `threaded_server` in a fixture of wider scope. It needs podledger[server] and pytest.
"""

from collections.abc import Generator

import pytest

from podledger_adapters.server.local_server import ServerOptions
from podledger_adapters.server.threaded import ServedJobs, threaded_server

__all__ = ["ServedJobs", "ServerOptions", "podledger_options", "podledger_server", "threaded_server"]


@pytest.fixture
def podledger_options() -> ServerOptions:
    """What `podledger_server` serves; override it for another cluster."""
    return ServerOptions()


@pytest.fixture
def podledger_server(podledger_options: ServerOptions) -> Generator[ServedJobs]:
    """A server that runs for the length of a test."""
    with threaded_server(podledger_options) as server:
        yield server
