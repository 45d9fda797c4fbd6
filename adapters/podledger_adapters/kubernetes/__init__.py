"""A real Kubernetes API server as a `podledger.ports.Cluster`.

`KubernetesCluster` is what most need (`cluster.py`), `load_access` finds the server and who we are (`kubeconfig.py`).
Requests are made in `request.py`, sent by `client.py`; lists and watches are `watch.py`; `leases.py` elects a leader.
"""

from podledger_adapters.extras import require_extra

require_extra("kubernetes")
