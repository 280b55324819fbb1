"""What an installation costs: figures come from bench.md, formulas agree with counts, the page is printed."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.storage import azure_blobs
from infra.capacity.defaults import Defaults
from infra.capacity.experiments import Laboratory
from infra.capacity.settings import Load
from infra.costs import jobs
from infra.costs.__main__ import PAGE, main, parser, report
from infra.costs.bench_figures import BenchFigures, FigureMissing
from infra.costs.duty import Duty
from infra.costs.jobs import Usage, all_jobs, generation, separation, separation_blobs
from infra.costs.limits import LimitModel, expired_a_day
from infra.costs.measured import Measured
from infra.costs.model import JOBS_A_DAY, MONTH_SECONDS, CostModel
from infra.costs.operations import SINGLE_WRITE_BYTES, Operations, read, removed, staged, written
from infra.costs.pages import figure, marks, with_tables
from infra.costs.parameters import CASES, Assumptions, Case, Limits, Prices
from infra.costs.report import TITLES, alert_rules
from infra.costs.rows import rows_of_a_life

PROJECT = Path(__file__).resolve().parents[2]
BENCH = BenchFigures.read((PROJECT / "bench.md").read_text())
MEASURED = Measured.of(BENCH)
ASSUMED = Assumptions.load()
MODEL = CostModel(Prices.load(), MEASURED, ASSUMED, Defaults.load())
REPORT = """# Benchmarks

## One

|  | CPU s | wall s |
| --- | ---: | ---: |
| a way | 1.5 |  |
| another | 1736 (from 5) | 2 |

| stem | x |
| --- | ---: |
| a way | -3 |

## Two

Nothing.
"""


def model(case: Case = "likely", **prices: Any) -> CostModel:
    entries = {**MODEL.prices.entries, **prices}
    return replace(MODEL, prices=Prices(entries), assumed=ASSUMED.at(case))


def assuming(**likely: float) -> Assumptions:
    entries = {name: dict(entry) for name, entry in ASSUMED.entries.items()}
    for name, value in likely.items():
        entries[name]["likely"] = value
    return Assumptions(entries)


def usages(case: Case = "likely") -> list[Usage]:
    return all_jobs(MEASURED, ASSUMED.at(case))


# Measured figures


def test_a_figure_is_found_by_its_section_row_and_column() -> None:
    bench = BenchFigures.read(REPORT)
    assert bench.figure("One", "a way", "CPU s") == 1.5
    assert bench.figure("One", "another", "CPU s") == 1736
    assert bench.figure("One", "a way", "x") == -3
    assert bench.rows("One", "CPU s") == ["a way", "another"]


@pytest.mark.parametrize(
    ("section", "row", "column"),
    [
        ("One", "a third", "x"),
        ("One", "a way", "y"),
        ("Two", "a way", "x"),
        ("None", "", ""),
        ("One", "a way", "wall s"),
    ],
)
def test_a_figure_that_is_not_there_is_said_to_be_missing(section: str, row: str, column: str) -> None:
    with pytest.raises(FigureMissing):
        BenchFigures.read(REPORT).figure(section, row, column)


def test_every_measured_figure_is_a_positive_number_of_bench_md() -> None:
    assert all(value > 0 for value in vars(MEASURED).values())
    assert MEASURED.table_operations + MEASURED.queue_operations + MEASURED.blob_operations == BENCH.figure(
        "Storage transactions of a job", "4", "transactions"
    )


def test_a_report_without_a_figure_ends_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "bench.md"
    other.write_text("# Benchmarks\n")
    assert main(["--measured", str(other)]) == 1
    assert "bench.md, section" in capsys.readouterr().err


# What a job uses


def test_a_separation_was_counted() -> None:
    """60 s of 16-bit stereo by ``spectral``, through ``bench/counting_proxy.py`` in front of Azurite: 55 writes, 5
    lists, 30 reads, 3 looks at properties, 10 deletions."""
    counted = Operations(blob_write=60, blob_read=33, blob_delete=10)
    assert separation_blobs(assuming(song_kbit_per_second=1411.2, part_seconds=8), 60.0) == counted


def test_a_write_becomes_blocks_where_the_adapter_makes_blocks() -> None:
    assert azure_blobs._SINGLE_WRITE_BYTES == SINGLE_WRITE_BYTES
    assert written(SINGLE_WRITE_BYTES) == Operations(blob_write=1)
    assert written(SINGLE_WRITE_BYTES + 1) == Operations(blob_write=4)
    assert staged(1) == Operations(blob_write=2)
    assert read(2**22 + 1) == Operations(blob_read=2)
    assert removed(3).total == 4


def test_a_jobs_life_writes_as_many_rows_as_the_store_does() -> None:
    """Six rows for a new job; a change of status moves its two lists of a status and its waiting or due row."""
    stored, claimed, ended, expiring, expired = 6, 7, 7, 5, 2
    assert rows_of_a_life() == stored + claimed + ended + expiring + expired


def test_work_is_done_either_here_or_on_a_card() -> None:
    here, there = separation(MEASURED, ASSUMED), separation(MEASURED, ASSUMED, "t4")
    assert here.gpu is None
    assert there.gpu is not None
    assert here.cpu_seconds > 1 > there.cpu_seconds
    assert here.result_bytes == there.result_bytes
    assert here.executions == there.executions + 1


def test_a_card_that_is_twice_as_fast_halves_a_generation() -> None:
    slow, fast = (generation(MEASURED, assuming(t4_speedup=speedup), "t4").gpu for speedup in (10, 20))
    assert slow is not None and fast is not None
    assert slow.alone_seconds == pytest.approx(2 * fast.alone_seconds)


@pytest.mark.parametrize("card", ["t4", "a100"])
def test_jobs_beside_one_another_never_cost_more_than_in_turn(card: str) -> None:
    for service in (separation(MEASURED, ASSUMED, card).gpu, generation(MEASURED, ASSUMED, card).gpu):
        assert service is not None
        shares = [service.share_seconds(count) for count in range(1, 17)]
        assert shares[0] == service.alone_seconds
        assert shares == sorted(shares, reverse=True)
        assert shares[-1] >= service.alone_seconds * service.serial_share


# What a month costs


def test_nobody_comes_and_nothing_is_paid_but_what_stands_still() -> None:
    month = MODEL.month(None, 0)
    assert month.lines["GPU"] == month.lines["kept files"] == month.lines["downloads"] == month.lines["logs"] == 0
    assert month.lines["functions"] == 0, "the timers alone stay within the free grant"
    assert 5 < month.total < 10


def test_without_the_free_grant_the_timers_are_paid_for() -> None:
    grants = dict.fromkeys(MODEL.prices.entries["grants"], 0)
    runs_a_month = 30 * (24 * 60 + 24 * 6)
    paid = model(grants=grants).month(None, 0).lines["functions"]
    assert paid == pytest.approx(runs_a_month * (2 * 0.000026 + 0.40 / 1e6))


def test_every_scenario_costs_more_with_more_jobs_and_less_for_each() -> None:
    for usage in usages():
        months = [MODEL.month(usage, jobs_a_day) for jobs_a_day in JOBS_A_DAY]
        totals, shares = [month.total for month in months], [month.per_job() for month in months]
        assert totals == sorted(totals)
        assert all(later <= 1.02 * earlier for earlier, later in itertools.pairwise(shares)), usage.label


@pytest.mark.parametrize("jobs_a_day", JOBS_A_DAY)
def test_low_is_the_cheapest_and_high_the_dearest(jobs_a_day: int) -> None:
    for number in range(len(usages())):
        totals = [model(case).month(usages(case)[number], jobs_a_day).total for case in CASES]
        assert totals == sorted(totals)


def test_an_hour_is_as_many_jobs_as_it_takes() -> None:
    month = MODEL.month(generation(MEASURED, ASSUMED), 100)
    assert month.per_audio_hour() == pytest.approx(month.per_job() * 3600 / jobs.PIECE_SECONDS)


def test_egress_is_paid_tier_by_tier() -> None:
    prices = MODEL.prices
    assert prices.egress(100) == 0
    assert prices.egress(1100) == pytest.approx(1000 * 0.087)
    assert prices.egress(10_100 + 1) == pytest.approx(10_000 * 0.087 + 0.083)
    last = prices.egress(10**7) - prices.egress(10**7 - 1)
    assert last == pytest.approx(0.05)


def test_a_price_list_of_ones_own_takes_the_place_of_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dear = tmp_path / "prices.toml"
    text = (PROJECT / "infra" / "costs" / "prices.toml").read_text()
    dear.write_text(text.replace('currency = "USD"', 'currency = "EUR"').replace("amount = 5.00", "amount = 5000.0"))
    assert main(["--prices", str(dear)]) == 0
    shown = capsys.readouterr().out
    assert "EUR a month" in shown
    assert "| registry, secrets | 5,000 |" in shown


def test_every_price_has_a_unit_and_says_whose_list_it_is() -> None:
    entries = MODEL.prices.entries
    named = {name: entry for name, entry in entries.items() if isinstance(entry, dict) and name != "grants"}
    assert all("price list" in entry["source"] for entry in named.values())
    assert all("unit" in entry or "tiers" in entry for entry in named.values())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(entries["date"]))


# How long something is paid for


def test_a_lone_job_pays_for_its_start_and_for_waiting_in_vain() -> None:
    duty = Duty(alone=10, crowded=5, startup=60, idle=300)
    rate = 1 / 86400
    assert duty.paid_seconds_per_second(rate) / rate == pytest.approx(370, rel=0.01)


def test_of_many_jobs_the_work_alone_is_paid() -> None:
    duty = Duty(alone=10, crowded=5, startup=60, idle=300, utilisation=0.5)
    assert duty.paid_seconds_per_second(100) / 100 == pytest.approx(10, rel=0.01)


def test_nobody_comes_and_nothing_is_there() -> None:
    assert Duty(alone=10, crowded=5, startup=60, idle=300).paid_seconds_per_second(0) == 0


@pytest.mark.parametrize("engine", ["demucs", "musicgen"])
@pytest.mark.parametrize("jobs_a_day", [10, 100, 1000, 10_000, 30_000])
def test_the_formula_is_near_the_simulation(engine: str, jobs_a_day: int) -> None:
    laboratory = Laboratory(MODEL)
    simulated = laboratory.setting(engine, Load(jobs_a_day)).run(runs=3, seed=1).cost_a_month
    duty = MODEL.gpu_duty(laboratory.usage(engine))
    paid = duty.paid_seconds_per_second(jobs_a_day / 86400) * MONTH_SECONDS * MODEL.card_second("t4")
    assert paid == pytest.approx(simulated, rel=1 / 3)


# Limits


def test_a_limit_is_met_where_a_day_of_jobs_fills_it() -> None:
    limits = LimitModel(Limits.load(), MEASURED, ASSUMED, Defaults.load())
    usage = separation(MEASURED, ASSUMED)
    found = {limit.name: limit for limit in limits.of(usage)}
    requests = found["the account's requests"]
    assert requests.jobs_a_day * usage.operations.total / 86400 == pytest.approx(20_000)
    assert requests.at_peak(3) == pytest.approx(requests.jobs_a_day / 3)
    assert found["one queue"].jobs_a_day * 3 / 86400 == pytest.approx(2000), "send, receive, delete"
    assert (
        found["files that expire"].at_peak(3) == found["files that expire"].jobs_a_day == expired_a_day() == 2_880_000
    )
    assert "GPU replicas (maxReplicas)" not in found


def test_what_the_app_stores_and_fetches_fills_the_account_too() -> None:
    """210 s in four stems: the parts, 44,100 frames a second in float32, are twice the 16-bit result."""
    usage = separation(MEASURED, assuming(song_kbit_per_second=1411.2, downloads=0))
    song, parts = 210 * 1_411_200 / 8, 210 * 44_100 * 2 * 4 * 4
    assert usage.written_bytes == pytest.approx(song + parts + usage.result_bytes)
    assert usage.read_bytes == pytest.approx(2 * song + parts)
    limits = LimitModel(Limits.load(), MEASURED, ASSUMED, Defaults.load())
    found = {limit.name: limit.jobs_a_day for limit in limits.of(usage)}
    assert found["the account's ingress"] * usage.written_bytes * 8 / 86400 == pytest.approx(25e9)
    assert found["the account's egress"] * (usage.read_bytes + usage.result_bytes) * 8 / 86400 == pytest.approx(50e9)


def test_what_runs_on_a_card_is_logged_as_well() -> None:
    for usage in usages():
        assert usage.logged == 2 + ASSUMED["client_reads"] + 1, usage.label


def test_alerts_are_paid_for_by_the_rule() -> None:
    rules = (PROJECT / "infra" / "modules" / "alerts.bicep").read_text().count("    query: '")
    assert alert_rules() == rules > 0
    assert f"| {figure(rules * 0.5)} |" in report(parser().parse_args([])).idle()


def test_a_file_that_is_none_or_lacks_a_figure_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    for content, told in (
        ("[a", "Expected"),
        ("", "grants"),
        ("flex_gb_second = 1", "flex_gb_second"),
        ("\xff", "utf"),
    ):
        file.write_bytes(content.encode("latin-1"))
        assert main(["--prices", str(file)]) == 1
        shown = capsys.readouterr().err
        assert "mine.toml" in shown and told in shown, shown


def test_the_last_case_of_all_limits_is_the_queue() -> None:
    limits = LimitModel(Limits.load(), MEASURED, ASSUMED, Defaults.load())
    for usage in usages():
        of_the_account = [limit for limit in limits.of(usage) if limit.raised_by == "more accounts"]
        first = min(of_the_account, key=lambda limit: limit.jobs_a_day)
        assert first.name != "one queue", "its 2,000 messages a second are never what is met first"


# The page


@pytest.fixture(scope="module")
def tables() -> dict[str, str]:
    return report(parser().parse_args([])).tables()


def test_the_page_shows_what_is_printed(tables: dict[str, str]) -> None:
    page = PAGE.read_text()
    assert set(marks(page)) == set(tables) == set(TITLES)
    assert page == with_tables(page, tables), "run python -m infra.costs --write"


def test_all_tables_are_printed(tables: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(table in shown for table in tables.values())


def test_a_mark_takes_the_table_of_its_name() -> None:
    page = "a\n<!-- table: x -->\nold\n<!-- end of table -->\nb"
    assert with_tables(page, {"x": "new"}) == "a\n<!-- table: x -->\n\nnew\n\n<!-- end of table -->\nb"
    with pytest.raises(KeyError):
        with_tables(page, {})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.0123, "0.012"),
        (1.25, "1.2"),
        (9.96, "10"),
        (144, "140"),
        (1234, "1,200"),
        (58_123_456, "58,000,000"),
    ],
)
def test_figures_have_two_digits_that_count(value: float, shown: str) -> None:
    assert figure(value) == shown
