"""The tables of ``python -m infra.costs``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from infra.costs.jobs import PIECE_SECONDS, SONG_SECONDS, Usage, all_jobs
from infra.costs.limits import Limit, LimitModel
from infra.costs.measured import STEMS
from infra.costs.model import CARDS, JOBS_A_DAY, CostModel, Month
from infra.costs.pages import PROJECT, figure, table
from infra.costs.parameters import CASES, Case, Limits

TITLES = {
    "idle": "A month to which nobody comes",
    "songs": f"1,000 songs of {SONG_SECONDS:g} s, taken apart into {STEMS} stems",
    "hours": f"An hour of music made, in {STEMS} stems, {PIECE_SECONDS:g} s a job",
    "months": "A month",
    "breakdown": "What a month is paid for",
    "uses": "What a job uses",
    "limits-mean": "Jobs a day that come up to a limit, spread evenly",
    "limits-peak": "Jobs a day whose busiest minutes come up to a limit",
    "assumptions": "What was assumed",
    "prices": "Prices",
}
_BROKEN_DOWN = 10_000  # jobs a day
_LEFT_OUT = "a100"  # its limits are those of the T4, but for the replicas


def alert_rules() -> int:
    """How many alerts are deployed where there is somebody to mail."""
    text = (PROJECT / "infra" / "modules" / "alerts.bicep").read_text()
    return len(re.findall(r"^    query: '", text, re.MULTILINE))


@dataclass(frozen=True)
class CostReport:
    """Tables out of a cost model, in the currency of its prices; in brackets the cheapest case and the dearest."""

    model: CostModel
    limits: Limits

    def tables(self) -> dict[str, str]:
        """Every table, by its name."""
        return {
            "idle": self.idle(),
            "songs": self._scenarios(lambda month: 1000 * month.per_job(), ("spectral", "demucs")),
            "hours": self._scenarios(lambda month: month.per_audio_hour(), ("synth", "musicgen")),
            "months": self._scenarios(lambda month: month.total),
            "breakdown": self.breakdown(),
            "uses": self.uses(),
            "limits-mean": self._limits(lambda limit: limit.jobs_a_day),
            "limits-peak": self._limits(lambda limit: limit.at_peak(self.model.assumed["peak_factor"])),
            "assumptions": self.assumptions(),
            "prices": self.prices(),
        }

    def idle(self) -> str:
        """What is paid for nothing."""
        months = [self._model(case).month(None, 0) for case in CASES]
        lines = [line for line in months[0].lines if any(month.lines[line] for month in months)]
        rows = [[line, *(figure(month.lines[line]) for month in months)] for line in lines]
        grantless = [self._without_grants(case).month(None, 0).total for case in CASES]
        rows.append(["**together**", *(f"**{figure(month.total)}**" for month in months)])
        rows.append(["with the free grants used up elsewhere", *map(figure, grantless)])
        pub_sub = figure(self.model.prices["web_pubsub_month"])
        alerts = figure(alert_rules() * self.model.prices["alert_rule_month"])
        rows.append(["besides, alerts, if you name somebody to mail", *[alerts] * len(CASES)])
        rows.append(["besides, Web PubSub for live chords, if you set it up", *[pub_sub] * len(CASES)])
        return table([f"{self._currency} a month", *CASES], rows)

    def breakdown(self) -> str:
        """The lines of one scenario."""
        jobs = self._jobs("likely")
        months = [self.model.month(job, _BROKEN_DOWN) for job in jobs]
        rows = [[line, *(figure(month.lines[line]) for month in months)] for line in months[0].lines]
        return table([f"{_BROKEN_DOWN:,} jobs a day", *(job.label for job in jobs)], rows)

    def uses(self) -> str:
        """Quantities, in the likely case."""
        jobs = self._jobs("likely")
        quantities: list[tuple[str, Callable[[Usage], float]]] = [
            ("CPU-seconds of the HTTP role", lambda job: job.cpu_seconds),
            ("GPU replica, s, alone", lambda job: job.gpu.alone_seconds if job.gpu else 0),
            (f"the same, its share of {self.model.defaults.most_at_once} at once", self._share_seconds),
            ("table transactions", lambda job: job.operations.table),
            ("queue operations", lambda job: job.operations.queue),
            ("blob writes and lists", lambda job: job.operations.blob_write),
            ("blob reads", lambda job: job.operations.blob_read),
            ("blob deletions", lambda job: job.operations.blob_delete),
            ("rows written among the jobs", lambda job: job.rows),
            ("result, MB", lambda job: job.result_bytes / 1e6),
            ("written to storage in all, MB", lambda job: job.written_bytes / 1e6),
            ("read from it by the app, MB", lambda job: job.read_bytes / 1e6),
        ]
        rows = [[name, *(figure(quantity(job)) for job in jobs)] for name, quantity in quantities]
        return table(["one job", *(job.label for job in jobs)], rows)

    def assumptions(self) -> str:
        """Everything that nobody measured, with its reason."""
        rows = [
            [name.replace("_", " "), entry["unit"], entry["why"], *(f"{entry[case]:,}" for case in CASES)]
            for name, entry in self.model.assumed.entries.items()
        ]
        return table(["assumed", "unit", "why", *CASES], rows, text_columns=3)

    def prices(self) -> str:
        """The price list, as it is in the file."""
        entries = self.model.prices.entries
        rows = [
            [name.replace("_", " "), entry["unit"], entry["source"], f"{entry['amount']:.7f}".rstrip("0").rstrip(".")]
            for name, entry in entries.items()
            if isinstance(entry, dict) and "amount" in entry
        ]
        cards = [
            [f"{card.upper()} replica", "hour", f"the three above together: {cores} vCPU, {gib} GiB, one GPU",
             f"{3600 * self.model.card_second(card):.2f}"]
            for card, (cores, gib) in CARDS.items()
        ]  # fmt: skip
        head = [f"{entries['date']}, TO BE CHECKED", "unit", "source", self._currency]
        return table(head, rows + cards, text_columns=3)

    def _scenarios(self, of: Callable[[Month], float], engines: tuple[str, ...] = ()) -> str:
        by_case = {case: [job for job in self._jobs(case) if job.engine in engines or not engines] for case in CASES}
        rows = []
        for jobs_a_day in JOBS_A_DAY:
            cells = []
            for jobs in zip(*by_case.values(), strict=True):
                months = [self._model(case).month(job, jobs_a_day) for case, job in zip(CASES, jobs, strict=True)]
                low, likely, high = (figure(of(month)) for month in months)
                cells.append(f"{likely} ({low} to {high})")
            rows.append([f"{jobs_a_day:,}", *cells])
        return table([f"jobs a day; {self._currency}", *(job.label for job in by_case["likely"])], rows)

    def _limits(self, of: Callable[[Limit], float]) -> str:
        model = LimitModel(self.limits, self.model.measured, self.model.assumed, self.model.defaults)
        jobs = [job for job in self._jobs("likely") if job.card != _LEFT_OUT]
        by_job = [{limit.name: limit for limit in model.of(job)} for job in jobs]
        rows = []
        for name, limit in max(by_job, key=len).items():
            found = [limits.get(name) for limits in by_job]
            rows.append([name, limit.raised_by, *(figure(of(one)) if one else "" for one in found)])
        return table(["limit", "raised by", *(job.label for job in jobs)], rows, text_columns=2)

    def _share_seconds(self, job: Usage) -> float:
        return job.gpu.share_seconds(self.model.defaults.most_at_once) if job.gpu else 0.0

    def _jobs(self, case: Case) -> list[Usage]:
        return all_jobs(self.model.measured, self.model.assumed.at(case))

    def _model(self, case: Case) -> CostModel:
        return replace(self.model, assumed=self.model.assumed.at(case))

    def _without_grants(self, case: Case) -> CostModel:
        grants = dict.fromkeys(self.model.prices.entries["grants"], 0)
        prices = replace(self.model.prices, entries={**self.model.prices.entries, "grants": grants})
        return replace(self._model(case), prices=prices)

    @property
    def _currency(self) -> str:
        return str(self.model.prices.entries["currency"])
