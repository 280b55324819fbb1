"""The simulation of capacity: queueing theory where theory knows the answer, and properties where it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infra.capacity.__main__ import PAGE, PICTURE, main, parser
from infra.capacity.defaults import HERE, Defaults
from infra.capacity.experiments import Laboratory
from infra.capacity.outcome import Estimate, Outcome, Outcomes
from infra.capacity.plot import draw
from infra.capacity.report import TITLES, CapacityReport
from infra.capacity.scaler import STABILISATION_SECONDS, Scaler, most_from
from infra.capacity.settings import DAY_SECONDS, Load, Scale, Work
from infra.capacity.simulation import simulate
from infra.costs.__main__ import cost_model
from infra.costs.pages import marks, with_tables

ONE_BY_ONE = Scale(batch_size=1, new_batch_threshold=0, min_replicas=1, max_replicas=1)
WORK = Work(alone_seconds=10.0, serial_share=0.5)
SCALE = Scale(start_seconds=80.0)


@pytest.fixture(scope="module")
def report() -> CapacityReport:
    options = parser().parse_args([])
    return CapacityReport(Laboratory(cost_model(options)), options.runs, options.seed)


def mean_wait(outcome: Outcome) -> float:
    return sum(outcome.waits) / len(outcome.waits)


# Against theory: one replica that is always there and takes one job at a time


@pytest.mark.parametrize("utilisation", [0.5, 0.8])
def test_with_exponential_work_the_wait_is_that_of_m_m_1(utilisation: float) -> None:
    load = Load(utilisation * DAY_SECONDS, peak_factor=1, duration_seconds=3e5)
    outcome = simulate(load, Work(1.0, 1.0, variation=1.0), ONE_BY_ONE, seed=3)
    assert mean_wait(outcome) == pytest.approx(utilisation / (1 - utilisation), rel=0.08)
    assert outcome.utilisation == pytest.approx(utilisation, rel=0.02)


@pytest.mark.parametrize("utilisation", [0.5, 0.8])
def test_with_work_that_is_always_the_same_it_is_that_of_m_d_1(utilisation: float) -> None:
    load = Load(utilisation * DAY_SECONDS, peak_factor=1, duration_seconds=3e5)
    outcome = simulate(load, Work(1.0, 1.0, variation=0.0), ONE_BY_ONE, seed=3)
    assert mean_wait(outcome) == pytest.approx(utilisation / (2 * (1 - utilisation)), rel=0.08)


def test_shared_time_is_processor_sharing() -> None:
    """Any number at once, and nothing gained from it: the mean time of M/M/1-PS is that of M/M/1, 1 / (1 - load)."""
    scale = replace(ONE_BY_ONE, batch_size=1000, new_batch_threshold=1000)
    outcome = simulate(Load(0.5 * DAY_SECONDS, 1, duration_seconds=3e5), Work(1.0, 1.0, 1.0), scale, seed=3)
    assert sum(outcome.totals) / len(outcome.totals) == pytest.approx(2.0, rel=0.08)
    assert mean_wait(outcome) == 0


def test_jobs_that_cost_one_another_nothing_take_as_long_as_alone() -> None:
    scale = replace(ONE_BY_ONE, batch_size=1000, new_batch_threshold=1000)
    outcome = simulate(Load(10_000, 1), Work(7.0, serial_share=0.0, variation=0.0), scale, seed=3)
    assert outcome.totals == pytest.approx([7.0] * len(outcome.totals))


@pytest.mark.parametrize("jobs_a_day", [100, 3000, 20_000])
def test_littles_law_holds(jobs_a_day: float) -> None:
    """Jobs in the system, on average over time, are the rate times the time that each is there."""
    outcome = simulate(Load(jobs_a_day), WORK, SCALE, seed=5)
    arrivals = np.array(Load(jobs_a_day).arrivals(np.random.default_rng(5)))
    ends = arrivals + np.array(outcome.totals)
    times = np.sort(np.concatenate([arrivals, ends]))
    present = np.searchsorted(np.sort(arrivals), times, "right") - np.searchsorted(np.sort(ends), times, "right")
    in_system = float(np.sum(present[:-1] * np.diff(times))) / outcome.duration_seconds
    rate = len(arrivals) / outcome.duration_seconds
    assert in_system == pytest.approx(rate * float(np.mean(outcome.totals)), rel=1e-6)


# What always holds


def test_nobody_comes_and_nothing_is_paid() -> None:
    outcome = simulate(Load(0), WORK, SCALE, seed=1)
    assert (outcome.paid_seconds, outcome.starts, outcome.waits) == (0, 0, ())


def test_a_replica_that_stays_is_paid_for_all_day() -> None:
    outcome = simulate(Load(0), WORK, replace(SCALE, min_replicas=2), seed=1)
    assert outcome.paid_seconds == pytest.approx(2 * outcome.duration_seconds)
    assert outcome.duration_seconds == pytest.approx(DAY_SECONDS, rel=0.001)


@pytest.mark.parametrize("counts", ["all", "visible"])
@pytest.mark.parametrize("load", [Load(50), Load(5000), Load(2000, burst=50), Load(500, burst=5, gap_seconds=180)])
def test_every_job_is_done_once_and_no_replica_is_left(load: Load, counts: str) -> None:
    outcome = simulate(load, WORK, replace(SCALE, counts=counts), seed=2)
    assert len(outcome.waits) == len(load.arrivals(np.random.default_rng(2)))
    assert min(outcome.waits) >= 0
    assert all(total > wait for wait, total in zip(outcome.waits, outcome.totals, strict=True))
    assert 0 < outcome.worked_seconds <= outcome.paid_seconds
    assert outcome.killed == 0


def test_the_same_seed_gives_the_same_day_and_another_one_another() -> None:
    first, again, other = (simulate(Load(300), WORK, SCALE, seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_lone_job_waits_for_a_poll_and_a_start_and_pays_for_the_cooldown() -> None:
    load = Load(3, peak_factor=1)
    outcome = simulate(load, Work(10.0, 1.0, variation=0.0), SCALE, seed=1)
    arrivals = load.arrivals(np.random.default_rng(1))
    assert min(np.diff(arrivals)) > 1000, "they meet nobody"
    assert all(80 <= wait <= 110 for wait in outcome.waits)
    start_work_and_cooldown = 80 + 10 + 300
    assert outcome.paid_seconds / len(arrivals) == pytest.approx(start_work_and_cooldown, abs=30)
    assert outcome.starts == len(arrivals)


def test_a_replica_that_must_go_too_soon_gives_its_work_back() -> None:
    hasty = replace(SCALE, counts="visible", grace_seconds=5.0, cooldown_seconds=30.0, batch_size=1)
    outcome = simulate(Load(200), Work(300.0, 1.0, variation=1.0), replace(hasty, new_batch_threshold=0), seed=1)
    assert outcome.killed > 0
    assert len(outcome.totals) == len(Load(200).arrivals(np.random.default_rng(1)))


def test_more_replicas_that_stay_wait_less_and_cost_more() -> None:
    outcomes = [simulate(Load(500), WORK, replace(SCALE, min_replicas=count), seed=4) for count in (0, 1, 3)]
    waits, paid = [mean_wait(outcome) for outcome in outcomes], [outcome.paid_seconds for outcome in outcomes]
    assert waits == sorted(waits, reverse=True) and waits[0] > 10 > waits[1]
    assert paid == sorted(paid)


def test_a_longer_cooldown_starts_less_often() -> None:
    outcomes = [simulate(Load(300), WORK, replace(SCALE, cooldown_seconds=s), seed=4) for s in (30, 300, 3000)]
    assert [outcome.starts for outcome in outcomes] == sorted((outcome.starts for outcome in outcomes), reverse=True)


# The rule


def test_replicas_are_wanted_by_messages_within_bounds() -> None:
    scale = replace(SCALE, max_replicas=3)
    assert Scaler(scale).replicas(0, messages=1, replicas=0) == 1
    assert Scaler(scale).replicas(0, messages=9, replicas=1) == 3
    assert Scaler(scale).replicas(0, messages=90, replicas=3) == 3
    assert Scaler(replace(scale, min_replicas=2)).replicas(0, messages=0, replicas=2) == 2


def test_steps_up_are_one_four_and_then_twice_as_many() -> None:
    scaler = Scaler(replace(SCALE, max_replicas=30))
    replicas = [0]
    for poll in range(5):
        replicas.append(scaler.replicas(30.0 * poll, messages=1000, replicas=replicas[-1]))
    assert replicas == [0, 1, 4, 8, 16, 30]
    assert most_from(5) == 10


def test_down_counts_the_most_that_was_wanted_for_a_while() -> None:
    scaler = Scaler(SCALE)
    assert scaler.replicas(0, messages=20, replicas=5) == 5
    assert scaler.replicas(STABILISATION_SECONDS - 1, messages=4, replicas=5) == 5
    assert scaler.replicas(STABILISATION_SECONDS, messages=4, replicas=5) == 1


def test_the_last_replica_goes_after_the_cooldown_and_not_before() -> None:
    scaler = Scaler(replace(SCALE, cooldown_seconds=600.0))
    assert scaler.replicas(0, messages=1, replicas=1) == 1
    assert scaler.replicas(599, messages=0, replicas=1) == 1
    assert scaler.replicas(600, messages=0, replicas=1) == 0


def test_one_that_is_to_stay_stays() -> None:
    scaler = Scaler(replace(SCALE, min_replicas=1))
    assert scaler.replicas(0, messages=1, replicas=1) == 1
    assert scaler.replicas(10_000, messages=0, replicas=1) == 1


# What comes in


def test_arrivals_are_as_many_as_asked_for_and_most_of_them_by_day() -> None:
    times = np.array(Load(20_000).arrivals(np.random.default_rng(0)))
    assert len(times) == pytest.approx(20_000, rel=0.03)
    assert list(times) == sorted(times)
    noon, midnight = np.abs(times - DAY_SECONDS / 2) < 3600, times < 3600
    assert noon.sum() > 20 * midnight.sum()


def test_a_burst_comes_at_once_and_a_session_in_its_time() -> None:
    at_once = Load(1200, burst=12).arrivals(np.random.default_rng(0))
    assert len(set(at_once)) * 12 == len(at_once)
    one_client = Load(5, peak_factor=1, burst=5, gap_seconds=180.0)
    gaps = [gap for seed in range(400) for gap in np.diff(one_client.arrivals(np.random.default_rng(seed)))[:4]]
    assert float(np.mean(gaps)) == pytest.approx(180, rel=0.35)


@pytest.mark.parametrize("peak_factor", [0.5, 2.5])
def test_a_day_cannot_have_less_than_no_jobs_at_night(peak_factor: float) -> None:
    with pytest.raises(ValueError, match="1 to 2"):
        Load(100, peak_factor=peak_factor)


@pytest.mark.parametrize("variation", [0.0, 0.5, 1.0])
def test_work_has_the_mean_and_the_spread_that_were_asked_for(variation: float) -> None:
    drawn = np.array(Work(20.0, 0.5, variation).draw(np.random.default_rng(0), 20_000))
    assert drawn.mean() == pytest.approx(20, rel=0.03)
    assert drawn.std() / drawn.mean() == pytest.approx(variation, abs=0.03)


def test_an_estimate_says_how_far_off_it_may_be() -> None:
    runs = tuple(Outcome((), (), 1.0, paid, 0.0, 0, 0) for paid in (1.0, 2.0, 3.0))
    estimate = Outcomes(runs).estimate(lambda run: run.paid_seconds)
    assert estimate.mean == 2
    assert estimate.half_width == pytest.approx(4.30 / 3**0.5, rel=0.01)
    assert str(Estimate(12.4, 3.6)) == "12 ± 4"


# The recommendation, and the page


def test_what_is_recommended_for_the_host_is_what_the_host_has() -> None:
    found = Defaults.load()
    queues = json.loads((HERE.parents[1] / "host.json").read_text())["extensions"]["queues"]
    assert (found.batch_size, found.new_batch_threshold) == (queues["batchSize"], queues["newBatchThreshold"])


def test_the_page_shows_the_defaults_and_names_every_table() -> None:
    page = PAGE.read_text()
    names = json.loads((HERE / "defaults.json").read_text())
    shown = page.partition("<!-- table: defaults -->")[2].partition("<!-- end of table -->")[0]
    for name, value in names.items():
        assert f"| `{name}` |" in shown
        assert any(line.split("|")[3].split()[0] == str(value) for line in shown.splitlines() if f"`{name}`" in line)
    assert set(marks(page)) == set(TITLES)


@pytest.mark.parametrize("name", ["defaults", "inputs", "cooldown", "counts", "cases"])
def test_the_page_shows_what_is_simulated(report: CapacityReport, name: str) -> None:
    page = PAGE.read_text()
    shown = dict.fromkeys(marks(page), "") | {name: getattr(report, name)()}
    assert f"\n{shown[name]}\n" in page, "run python -m infra.capacity --write"
    assert shown[name] in with_tables(page, shown)


def test_a_grid_has_a_row_for_every_combination(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "--jobs-a-day 20 --min-replicas 0 1 --batch-size 2 4 --cooldown 60 300 --runs 2 --engine musicgen"
    assert main(asked.split()) == 0
    head, _rule, *rows = capsys.readouterr().out.strip().splitlines()
    assert head.startswith("| musicgen: jobs a day | minReplicas | batchSize | cooldown, s |")
    assert len(rows) == 8


@pytest.mark.parametrize("asked", ["--peak-factor 3", "--measured nowhere.md"])
def test_what_makes_no_sense_is_said(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--jobs-a-day", "10", "--runs", "1", *asked.split()]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "asked",
    [
        "--runs 0",
        "--batch-size 0",
        "--engine synth",
        "--jobs-a-day -5",
        "--polling 0",
        "--cooldown -1",
        "--gap -1",
        "--min-replicas -1",
    ],
)
def test_an_option_out_of_range_is_refused(asked: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main(asked.split())
    assert refused.value.code == 2


def test_the_plot_is_a_picture(report: CapacityReport, tmp_path: Path) -> None:
    draw(report.laboratory, runs=1, seed=1, path=tmp_path / "images" / "x.png")
    assert (tmp_path / "images" / "x.png").read_bytes().startswith(b"\x89PNG")
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
