"""Readings in the formats that Prometheus reads. Imported by the route that answers with them, when it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from core import __version__
from core.jobs.model import JobKind
from core.metrics.counts import DELIVERIES, DURATION, JOBS, SOUNDS, WAIT, Counts, histogram
from core.metrics.service import Readings

_OPENMETRICS = "application/openmetrics-text"
_Labels = tuple[str, ...]


@dataclass(frozen=True)
class _Scrape(Collector):
    """The readings as families of metrics."""

    readings: Readings

    def collect(self) -> Iterator[Metric]:
        counts, readings = self.readings.counts, self.readings
        yield InfoMetricFamily("stemworks_build", "The version that answers.", {"version": __version__})
        yield _counter("jobs", "Jobs that ended.", ("kind", "status", "engine"), counts, JOBS)
        yield _histogram("job_duration", "From the start of a job's first attempt to its end.", counts, DURATION)
        yield _histogram(
            "job_wait", "From a job's acceptance, or retry, to the start of its first attempt.", counts, WAIT
        )
        yield _counter(
            "deliveries", "Tries to deliver a callback, by what came of it.", ("outcome",), counts, DELIVERIES
        )
        yield _counter("sounds", "Sounds that were asked for, by where they came from.", ("outcome",), counts, SOUNDS)
        # not stemworks_jobs: to OpenMetrics that is the name of the family whose samples are stemworks_jobs_total
        yield _gauge("unfinished_jobs", "Jobs, counted up to 1,000.", ("kind", "status"), readings.jobs.items())
        queues = (((queue,), number) for queue, number in readings.queues.items())
        yield _gauge("queue_messages", "About how many messages a queue holds.", ("queue",), queues)
        loaded = readings.loaded.items()
        yield _gauge("engine_loaded", "Processes that keep this model warm.", ("engine", "model"), loaded)


def expose(readings: Readings, accept: str) -> tuple[bytes, str]:
    """The readings in OpenMetrics 1.0 if the Accept header names it, else as Prometheus text; and the content type.

    The library's own choice of a format fails on a version that is not a number.
    """
    scrape = _Scrape(readings)
    if _OPENMETRICS in accept:
        exposed: bytes = openmetrics.generate_latest(scrape)  # type: ignore[no-untyped-call] # the library leaves it out
        return exposed, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(scrape), CONTENT_TYPE_PLAIN_0_0_4


def _counter(name: str, documentation: str, labels: tuple[str, ...], counts: Counts, key: str) -> Metric:
    family = CounterMetricFamily(f"stemworks_{name}", documentation, labels=labels)
    for (first, *values), number in sorted(counts.items()):
        if first == key:
            family.add_metric(values, number)
    return family


def _histogram(name: str, documentation: str, counts: Counts, key: str) -> Metric:
    family = HistogramMetricFamily(f"stemworks_{name}_seconds", documentation, labels=("kind",))
    for kind in JobKind:
        buckets, sum_seconds = histogram(counts, key, kind)
        family.add_metric([kind], buckets, sum_seconds)
    return family


def _gauge(name: str, documentation: str, labels: tuple[str, ...], numbers: Iterable[tuple[_Labels, int]]) -> Metric:
    family = GaugeMetricFamily(f"stemworks_{name}", documentation, labels=labels)
    for values, number in sorted(numbers):
        family.add_metric(values, number)
    return family
