"""The conformance suite of the `Cluster` port: every cluster, the authors' own included, passes these tests.

Subclass it where your tests are, say how a cluster is opened, and mark the class for your runner of async tests::

    @pytest.mark.asyncio
    class TestMyCluster(ClusterConformance):
        @asynccontextmanager
        async def open_cluster(self):
            async with MyCluster() as cluster:
                yield MyDriver(cluster)

`open_cluster` yields a `ClusterDriver`: the cluster under test, and hands that do to it what users, kubelets and
other controllers do behind the controller's back. No controller may act on the suite's Jobs, and nothing may run or
schedule its pods. How fast changes arrive is free; that they arrive, and in which order for one object, is not.
"""

from podledger.testing.cluster_base import ClusterDriver
from podledger.testing.cluster_perform import (
    CreateConformance,
    JobStatusConformance,
    OwnershipConformance,
    RemoveConformance,
)
from podledger.testing.cluster_watch import WatchConformance

__all__ = ["ClusterConformance", "ClusterDriver"]


class ClusterConformance(
    WatchConformance, CreateConformance, RemoveConformance, OwnershipConformance, JobStatusConformance
):
    """The whole suite. Texts of refusals are free, their codes and reasons are Kubernetes' own."""
