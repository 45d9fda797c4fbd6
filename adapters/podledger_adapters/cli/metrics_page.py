"""The metrics of a controller in Prometheus' format, by the names Kubernetes uses where it has them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from podledger.controller import Controller
from podledger.ports import Clock
from podledger_adapters.cli.measured_log import LogMeasures
from podledger_adapters.kubernetes.leases import LeaderElection
from podledger_adapters.kubernetes.metrics import BUCKETS_S, ClientMetrics

__all__ = ["CONTENT_TYPE", "ControllerMetrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class ControllerMetrics(Collector):
    """Reads everything when it is asked for. `controller` gives the controller that runs, None before there is one."""

    def __init__(
        self,
        client: ClientMetrics,
        host: str,
        clock: Clock,
        log: LogMeasures,
        controller: Callable[[], Controller | None],
        election: LeaderElection | None,
    ) -> None:
        self._client, self._host, self._clock, self._log = client, host, clock, log
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
        controller = self._controller()
        depth = GaugeMetricFamily("workqueue_depth", "Jobs that are due or wait for their time.", labels=["name"])
        depth.add_metric(["job"], controller.queue_depth if controller is not None else 0)
        yield depth
        if self._election is not None:
            leads = GaugeMetricFamily("leader_election_master_status", "1 while leading.", labels=["name"])
            leads.add_metric(["podledger-job-controller"], float(self._election.leads))
            yield leads

    def _of_client(self) -> Iterator[Metric]:
        labels = ["code", "method", "host"]
        requests = CounterMetricFamily("rest_client_requests", "Calls to the API server.", labels=labels)
        for (method, code), count in sorted(self._client.requests.items()):
            requests.add_metric([code, method, self._host], count)
        yield requests
        labels = ["verb", "host"]
        took = HistogramMetricFamily("rest_client_request_duration_seconds", "How long calls took.", labels=labels)
        for method, counts in self._client.durations.items():
            buckets, total = list[tuple[str, float]](), 0
            for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            took.add_metric([method, self._host], buckets, self._client.duration_sums_s[method])
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

    def _of_log(self) -> Iterator[Metric]:
        log = self._log
        yield CounterMetricFamily("job_controller_job_sync", "Syncs of Jobs.", value=log.syncs)
        pods = CounterMetricFamily("job_controller_job_pods_finished", "Pods counted, by result.", labels=["result"])
        for result, count in sorted(log.pods.items()):
            pods.add_metric([result], count)
        yield pods
        jobs = CounterMetricFamily("job_controller_jobs_finished", "Jobs finished.", labels=["result", "reason"])
        for (result, reason), count in sorted(log.jobs.items()):
            jobs.add_metric([result, reason], count)
        yield jobs
        yield CounterMetricFamily("podledger_log_events", "Events handed in to the log.", value=log.events)
        yield CounterMetricFamily("podledger_log_appends", "Appends that were waited for.", value=log.appends)
        yield CounterMetricFamily(
            "podledger_log_append_seconds", "How long these appends took, together.", value=log.append_s
        )
