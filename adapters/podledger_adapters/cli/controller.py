"""`podledger controller`: its flags and its help. How it runs is `controller_run.py`."""

from pathlib import Path
from typing import Annotated, Final, Literal

import anyio
from cyclopts import App, Parameter

from podledger.errors import InputError
from podledger.job.limits import Limits
from podledger_adapters.cli.controller_run import ControllerSettings, Manage, run_controller
from podledger_adapters.cli.duration import duration_s
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.namespace_name import check_namespaces
from podledger_adapters.cli.structured_log import LogFormat, set_up_logging
from podledger_adapters.cli.tcp_address import parse_tcp_address
from podledger_adapters.kubernetes.kubeconfig import load_access

__all__ = ["app", "controller_command"]

HELP = """Run the Job controller against a Kubernetes cluster.

By default for Jobs marked with spec.managedBy: podledger.io/job-controller;
the built-in controller leaves those alone. The cluster is the kubeconfig's,
or the one whose pod this is. Of several controllers one leads, by a Lease;
the others wait, also one that lost the Lease."""

EXAMPLES = """Examples:
  podledger controller                         marked Jobs, current context
  podledger controller --namespace batch --db prod.db
                                               of one namespace; keeps a ledger
  podledger controller --manage all            all Jobs: nobody else may run them
  podledger controller --metrics-listen :8080  health and metrics on loopback

Without --db the ledger is temporary: the cluster alone is enough to go on
from, and no count is lost or repeated. A lost connection is made again for
as long as it takes.

Exit codes: 130 after Ctrl-C, 143 after SIGTERM, 2 wrong usage, 3 the cluster
cannot be reached or forbids what is needed, or the ledger cannot be used."""

DEFAULTS: Final = Limits()

app = App(name="controller", help=HELP, usage="Usage: podledger controller [OPTIONS]", help_epilogue=EXAMPLES)


@app.default
def controller_command(
    *,
    kubeconfig: Annotated[Path | None, Parameter(help="Default: KUBECONFIG, ~/.kube/config, or in-cluster.")] = None,
    context: Annotated[str | None, Parameter(help="The kubeconfig's context to use.")] = None,
    manage: Annotated[Manage, Parameter(help="marked Jobs, or all: no other Job controller may run then.")] = "marked",
    cronjobs: Annotated[
        bool, Parameter(negative="", help="Run CronJobs too: no other CronJob controller may run then.")
    ] = False,
    namespace: Annotated[
        tuple[str, ...], Parameter(negative="", show_default=False, help="Only of this one; repeatable.")
    ] = (),
    db: Annotated[str | None, Parameter(help="Keep the ledger in this file.")] = None,
    leader_elect: Annotated[bool, Parameter(help="Work only while the Lease is ours.")] = True,
    lease_namespace: Annotated[str, Parameter(help="Where the Lease is.")] = "kube-system",
    lease_name: Annotated[
        str, Parameter(help="What it is called: another name where other namespaces are run.")
    ] = "podledger-job-controller",
    metrics_listen: Annotated[
        str | None, Parameter(help="HOST:PORT for /healthz, /readyz and /metrics; without, there are none.")
    ] = None,
    pod_failure_backoff: Annotated[str, Parameter(help="Pause after a failed pod; doubles.")] = "10s",
    pod_failure_backoff_max: Annotated[str, Parameter(help="The longest such pause.")] = "10m",
    sync_batch_period: Annotated[str, Parameter(help="From a change of a pod to the sync of its Job.")] = "1s",
    max_uncounted_pods: Annotated[int, Parameter(help="Pods a sync counts.")] = DEFAULTS.uncounted_pods,
    max_pod_changes_per_sync: Annotated[int, Parameter(help="Pods a sync creates or deletes.")] = DEFAULTS.pod_changes,
    concurrent_syncs: Annotated[int, Parameter(help="Syncs at once.")] = 5,
    qps: Annotated[float, Parameter(help="Writes a second, 0 for no limit.")] = 0.0,
    burst: Annotated[int, Parameter(help="Writes at once when --qps is set; 0 for twice --qps.")] = 0,
    log_format: Annotated[LogFormat, Parameter(help="How stderr is written.")] = "json",
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Parameter(help="What is logged.")] = "info",
) -> ExitCode:
    """Run until told to stop; the exit code. Raises PodledgerError."""
    check_namespaces("--namespace", namespace)
    check_namespaces("--lease-namespace", [lease_namespace])
    for flag, number in (
        ("--max-uncounted-pods", max_uncounted_pods),
        ("--max-pod-changes-per-sync", max_pod_changes_per_sync),
        ("--concurrent-syncs", concurrent_syncs),
    ):
        if number < 1:
            raise InputError(f"{flag} {number}: must be 1 or more")
    if not 0 <= qps < float("inf") or burst < 0:
        raise InputError("--qps, --burst: must be 0 (no limit) or more")
    backoff_s = duration_s("--pod-failure-backoff", pod_failure_backoff)
    backoff_max_s = duration_s("--pod-failure-backoff-max", pod_failure_backoff_max)
    if backoff_max_s < backoff_s:
        raise InputError("--pod-failure-backoff-max: must not be less than --pod-failure-backoff")
    settings = ControllerSettings(
        manage=manage,
        cronjobs=cronjobs,
        namespaces=namespace,
        db=db,
        lease=(lease_namespace, lease_name) if leader_elect else None,
        metrics=None if metrics_listen is None else parse_tcp_address("--metrics-listen", metrics_listen),
        sync_batch_period_s=duration_s("--sync-batch-period", sync_batch_period),
        concurrent_syncs=concurrent_syncs,
        qps=qps,
        burst=burst or int(2 * qps),
        limits=Limits(
            backoff_base_s=backoff_s,
            backoff_max_s=backoff_max_s,
            pod_changes=max_pod_changes_per_sync,
            uncounted_pods=max_uncounted_pods,
        ),
    )
    set_up_logging(log_format, log_level)
    return anyio.run(run_controller, load_access(kubeconfig, context), settings)
