"""What an installation costs a month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.engines.catalogue import MUSICGEN
from core.settings import Settings
from infra.capacity.defaults import Defaults
from infra.costs.duty import Duty
from infra.costs.jobs import Usage
from infra.costs.measured import Measured
from infra.costs.operations import Operations
from infra.costs.parameters import Assumptions, Prices

JOBS_A_DAY = (1, 100, 10_000, 1_000_000)
FLEX_GB = (
    2.0  # an instance's memory; what the app needs is a tenth of it, but one core comes with 2 GB and not with 0.5
)
CARDS = {"t4": (8, 56), "a100": (24, 220)}
"""vCPU and GiB that come with a card: the profiles Consumption-GPU-NC8as-T4 and Consumption-GPU-NC24-A100."""

_DAY_SECONDS = 86400
_DAYS = 30
MONTH_SECONDS = _DAYS * _DAY_SECONDS
_TIMER_RUNS = _DAYS * (24 * 60 + 24 * 6)  # recover_jobs every minute, expire_files every ten: functions/housekeeping.py
_SCALED_QUEUES = 2  # those of the role gpu
_SECRET_READS = _DAYS * 2 * 6  # each app looks again every four hours
_GB = 1e9


@dataclass(frozen=True)
class Month:
    """What a month costs, by what it is paid for."""

    lines: Mapping[str, float]
    jobs: float
    audio_seconds: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.lines.values())

    def per_job(self) -> float:
        """Its share in the whole."""
        return self.total / self.jobs

    def per_audio_hour(self) -> float:
        """For an hour of music, in all its stems."""
        return self.total / (self.jobs * self.audio_seconds / 3600)


@dataclass(frozen=True)
class CostModel:
    """Prices, measurements and assumptions, put together."""

    prices: Prices
    measured: Measured
    assumed: Assumptions
    defaults: Defaults

    def month(self, usage: Usage | None, jobs_a_day: float) -> Month:
        """An installation that does so many jobs of one kind; ``None`` and 0 for one to which nobody comes."""
        jobs = jobs_a_day * _DAYS
        per_second = jobs_a_day / _DAY_SECONDS
        lines = {
            "functions": self._functions(usage, per_second),
            "GPU": self._gpu(usage, per_second),
            "operations": self._operations(usage, jobs),
            "kept files": self._kept(usage, jobs_a_day),
            "downloads": self._downloads(usage, jobs),
            "logs": self._logs(usage, jobs),
            "registry, secrets": self.prices["registry_month"]
            + self.prices.operations("key_vault_operation", _SECRET_READS),
        }
        return Month(lines, jobs, usage.audio_seconds if usage else 0.0)

    def card_second(self, card: str) -> float:
        """A replica with its card, its cores and its memory."""
        cores, gib = CARDS[card]
        return cores * self.prices["vcpu_second"] + gib * self.prices["gib_second"] + self.prices[f"{card}_second"]

    def gpu_duty(self, usage: Usage) -> Duty:
        """What a job keeps a GPU replica busy, with its cold start and what it waits before it is gone."""
        assert usage.gpu is not None
        return Duty(
            alone=usage.gpu.alone_seconds,
            crowded=usage.gpu.share_seconds(self.defaults.batch_size),  # so many are what the rule aims at
            startup=cold_start_seconds(self.measured, self.assumed),
            idle=self.defaults.cooldown_period,
            utilisation=self.assumed["gpu_utilisation"],
        )

    def flex_duty(self, usage: Usage) -> Duty:
        """What a job keeps an instance of the HTTP role busy; alone, an execution is billed for a second at least."""
        return Duty(
            alone=max(usage.cpu_seconds, usage.executions),
            crowded=usage.cpu_seconds,
            utilisation=self.assumed["flex_utilisation"],
        )

    def _functions(self, usage: Usage | None, per_second: float) -> float:
        instances = self.flex_duty(usage).paid_seconds_per_second(per_second) if usage else 0.0
        gb_seconds = FLEX_GB * (MONTH_SECONDS * instances + _TIMER_RUNS)  # a run of a timer is billed a second
        executions = MONTH_SECONDS * per_second * (usage.executions if usage else 0) + _TIMER_RUNS
        paid_gb_seconds = max(0.0, gb_seconds - self.prices.grant("flex_gb_seconds"))
        paid_executions = max(0.0, executions - self.prices.grant("flex_executions"))
        price = self.prices["flex_gb_second"], self.prices["flex_million_executions"]
        return paid_gb_seconds * price[0] + paid_executions / 1e6 * price[1]

    def _gpu(self, usage: Usage | None, per_second: float) -> float:
        if usage is None or usage.card is None:
            return 0.0
        paid = self.gpu_duty(usage).paid_seconds_per_second(per_second)
        return MONTH_SECONDS * paid * self.card_second(usage.card)

    def _operations(self, usage: Usage | None, jobs: float) -> float:
        polls = MONTH_SECONDS * (_SCALED_QUEUES / self.defaults.polling_interval + self.assumed["idle_polls"])
        idle = Operations(queue=polls, blob_write=_TIMER_RUNS * self.assumed["timer_operations"])
        done = idle + (usage.operations * jobs if usage else Operations())
        price = self.prices.operations
        return (
            price("table_operation", done.table)
            + price("queue_operation", done.queue)
            + price("blob_write", done.blob_write)
            + price("blob_read", done.blob_read)
        )

    def _kept(self, usage: Usage | None, jobs_a_day: float) -> float:
        kept_days = Settings().retention_seconds / _DAY_SECONDS
        return (usage.result_bytes if usage else 0) * jobs_a_day * kept_days / _GB * self.prices["blob_gb_month"]

    def _downloads(self, usage: Usage | None, jobs: float) -> float:
        return self.prices.egress((usage.result_bytes if usage else 0) * jobs * self.assumed["downloads"] / _GB)

    def _logs(self, usage: Usage | None, jobs: float) -> float:
        executions = jobs * (usage.logged if usage else 0) + _TIMER_RUNS
        gb = executions * self.assumed["log_kb"] * 1000 / _GB
        return max(0.0, gb - self.prices.grant("log_gb")) * self.prices["log_gb"]


def cold_start_seconds(measured: Measured, assumed: Assumptions) -> float:
    """From a replica that is wanted to one that takes messages, its model loaded."""
    return (
        assumed["image_gb"] * 1000 / assumed["pull_mb_per_second"]
        + assumed["start_seconds"]
        + weights_mb() / assumed["weights_mb_per_second"]
        + measured.model_load_seconds
    )


def weights_mb() -> float:
    """MusicGen's weights as released, in float16: half of what the catalogue says that it holds in float32."""
    return MUSICGEN.default.memory_bytes / 2 / 1e6
