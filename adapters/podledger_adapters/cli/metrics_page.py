"""The metrics of a controller in Prometheus' format, by the names Kubernetes uses where it has them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from podledger.controller import Controller
from podledger.ports import Clock
from podledger_adapters.cli.job_measures import JobMeasures
from podledger_adapters.cli.measured_log import LogMeasures
from podledger_adapters.kubernetes.leases import LeaderElection
from podledger_adapters.kubernetes.metrics import ClientMetrics

__all__ = ["CONTENT_TYPE", "ControllerMetrics"]

SUBSYSTEM: Final = "job_controller"
"""How Kubernetes' names of the Job controller's metrics begin."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class ControllerMetrics(Collector):
    """Reads everything when it is asked for. `controller` gives the controller that runs, None before there is one."""

    def __init__(
        self,
        client: ClientMetrics,
        host: str,
        clock: Clock,
        log: LogMeasures,
        jobs: JobMeasures,
        controller: Callable[[], Controller | None],
        election: LeaderElection | None,
    ) -> None:
        self._client, self._host, self._clock, self._log, self._jobs = client, host, clock, log, jobs
        self._controller, self._election = controller, election
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def page(self) -> bytes:
        """The page."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """All metrics, as they are now."""
        yield from self._of_client()
        yield from self._of_log()
        yield from self._of_jobs()
        controller = self._controller()
        if controller is not None:
            yield from _of_syncs(controller)
        depth = GaugeMetricFamily("workqueue_depth", "Jobs that are due or wait for their time.", labels=["name"])
        depth.add_metric(["job"], controller.queue_depth if controller is not None else 0)
        yield depth
        if self._election is not None:
            leads = GaugeMetricFamily("leader_election_master_status", "1 while leading.", labels=["name"])
            leads.add_metric([self._election.name], float(self._election.leads))
            yield leads

    def _of_client(self) -> Iterator[Metric]:
        labels = ["code", "method", "host"]
        requests = CounterMetricFamily("rest_client_requests", "Calls to the API server.", labels=labels)
        for (method, code), count in sorted(self._client.requests.items()):
            requests.add_metric([code, method, self._host], count)
        yield requests
        labels = ["verb", "host"]
        took = HistogramMetricFamily("rest_client_request_duration_seconds", "How long calls took.", labels=labels)
        for method, values in self._client.durations.items():
            took.add_metric([method, self._host], values.cumulative(), values.total)
        yield took
        now_s = self._clock.monotonic()
        stale = GaugeMetricFamily(
            "podledger_watch_staleness_seconds", "Since a kind's watch was last heard of.", labels=["kind"]
        )
        for kind, heard_s in self._client.heard_s.items():
            stale.add_metric([kind], now_s - heard_s)
        yield stale
        lists = CounterMetricFamily("podledger_lists", "Lists of a kind, the first one included.", labels=["kind"])
        for kind, count in self._client.relists.items():
            lists.add_metric([kind], count)
        yield lists
        failures = CounterMetricFamily("podledger_watch_failures", "Watches that broke.", labels=["kind"])
        for kind, count in self._client.watch_failures.items():
            failures.add_metric([kind], count)
        yield failures
        text = "Kubernetes Events that were too many, or that the server did not take."
        yield CounterMetricFamily("podledger_kubernetes_events_dropped", text, value=self._client.events_dropped)

    def _of_log(self) -> Iterator[Metric]:
        log = self._log
        yield CounterMetricFamily("podledger_log_events", "Events handed in to the log.", value=log.events)
        yield CounterMetricFamily("podledger_log_appends", "Appends that were waited for.", value=log.appends)
        yield CounterMetricFamily(
            "podledger_log_append_seconds", "How long these appends took, together.", value=log.append_s
        )

    def _of_jobs(self) -> Iterator[Metric]:
        jobs = self._jobs
        mode = ["completion_mode", "result"]
        yield _counter("jobs_finished", "Jobs finished.", [*mode, "reason"], jobs.jobs.items())
        yield _counter("job_pods_finished", "Pods counted as succeeded or failed.", mode, jobs.pods.items())
        yield _counter("job_finished_indexes", "Indexes finished.", ["status", "backoffLimit"], jobs.indexes.items())
        text = "Failed pods that a rule of a podFailurePolicy matched, by its action."
        yield _counter("pod_failures_handled_by_failure_policy", text, ["action"], jobs.failures.items())
        text = "Ended pods that came to bear the tracking finalizer (add), and that lost it (delete)."
        yield _counter("terminated_pods_tracking_finalizer", text, ["event"], jobs.tracked.items())
        yield _counter("job_pods_creation", "Creates of pods.", ["reason", "status"], jobs.created.items())


def _of_syncs(controller: Controller) -> Iterator[Metric]:
    labels = ["completion_mode", "result", "action"]
    yield _counter("job_syncs", "Syncs of Jobs.", labels, controller.syncs.count.items())
    took = HistogramMetricFamily(f"{SUBSYSTEM}_job_sync_duration_seconds", "How long syncs took.", labels=labels)
    for kind, values in sorted(controller.syncs.took.items()):
        took.add_metric(kind, values.cumulative(), values.total)
    yield took
    text = "Jobs seen that another controller manages."
    yield _counter("jobs_by_external_controller", text, ["controller_name"], controller.foreign_jobs.items())


def _counter(
    name: str, text: str, labels: Sequence[str], counts: Iterable[tuple[str | tuple[str, ...], int]]
) -> Metric:
    """A counter of the Job controller's own subsystem. `counts` are by the values of the labels."""
    counter = CounterMetricFamily(f"{SUBSYSTEM}_{name}", text, labels=labels)
    for values, count in counts:
        counter.add_metric([values] if isinstance(values, str) else values, count)
    return counter
