"""Where an installation meets its first limit: the jobs a day at which each is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.jobs.housekeeping import MOST_EXPIRED
from core.settings import Settings
from infra.capacity.defaults import Defaults
from infra.costs.jobs import Usage
from infra.costs.measured import Measured
from infra.costs.parameters import Assumptions, Limits

_DAY_SECONDS = 86400
_EXPIRE_SECONDS = 600  # expire_files: functions/housekeeping.py
_QUEUES_OF_A_JOB = 2  # that of its work, and that of its callback

RaisedBy = Literal["more accounts", "a setting", "code"]


@dataclass(frozen=True)
class Limit:
    """One line that is drawn.

    Attributes:
        jobs_a_day: how many jobs, spread evenly, come up to it.
        evened_out: whether only the mean rate counts, however it goes up and down in a day.
    """

    name: str
    raised_by: RaisedBy
    jobs_a_day: float
    evened_out: bool = False

    def at_peak(self, peak_factor: float) -> float:
        """The jobs a day whose busiest minutes come up to it."""
        return self.jobs_a_day if self.evened_out else self.jobs_a_day / peak_factor


@dataclass(frozen=True)
class LimitModel:
    """Limits, measurements and assumptions, put together."""

    limits: Limits
    measured: Measured
    assumed: Assumptions
    defaults: Defaults

    def of(self, usage: Usage) -> list[Limit]:
        """All limits for jobs of one kind."""
        limits, messages = self.limits, self.measured.queue_operations / _QUEUES_OF_A_JOB
        fetched_bytes = usage.result_bytes * max(1.0, self.assumed["downloads"])
        sent_gbit = (usage.read_bytes + fetched_bytes) * 8 / 1e9  # clients in the region count, and so does the app
        kept_tb = usage.result_bytes * Settings().retention_seconds / _DAY_SECONDS / 1e12
        return [
            self._rate("one queue", "more accounts", limits["queue_messages"], messages),
            self._rate("the account's requests", "more accounts", limits["account_requests"], usage.operations.total),
            self._rate("one partition: the jobs", "more accounts", limits["partition_rows"], usage.rows),
            self._rate(
                "the account's ingress", "more accounts", limits["account_ingress_gbit"], usage.written_bytes * 8 / 1e9
            ),
            self._rate("the account's egress", "more accounts", limits["account_egress_gbit"], sent_gbit),
            Limit("the account's capacity", "more accounts", limits["account_capacity_tb"] / kept_tb, evened_out=True),
            Limit("files that expire", "code", expired_a_day(), evened_out=True),
            self._rate("instances of one function", "a setting", limits["flex_instances"], usage.cpu_seconds),
            *([self._gpus(usage)] if usage.gpu else []),
        ]

    def _gpus(self, usage: Usage) -> Limit:
        assert usage.gpu is not None
        busy = usage.gpu.share_seconds(self.defaults.most_at_once)
        return self._rate("GPU replicas (maxReplicas)", "a setting", self.defaults.max_replicas, busy)

    def _rate(self, name: str, raised_by: RaisedBy, per_second: float, of_a_job: float) -> Limit:
        return Limit(name, raised_by, per_second / of_a_job * _DAY_SECONDS)


def expired_a_day() -> float:
    """The timer takes so many jobs a run."""
    return MOST_EXPIRED * _DAY_SECONDS / _EXPIRE_SECONDS
