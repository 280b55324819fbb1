"""The local host's timers: schedules, missed runs, one at a time."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import azure.functions as func
import pytest

from local.azurite import Azurite
from local.functions import Invoker, LoadedFunction
from local.settings import HostSettings, SettingsError
from local.storage import Storage
from local.timer_trigger import LockOptions, Schedule, TimerListener
from tests.integration.local_host import SampleHost, wait_for

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "next_run"),
    [
        ("*/10 * * * * *", NOON + timedelta(seconds=10)),
        ("0 */5 * * * *", NOON + timedelta(minutes=5)),
        ("30 15 14 * * *", NOON.replace(hour=14, minute=15, second=30)),
        ("*/5 * * * *", NOON + timedelta(minutes=5)),
        ("0 0 0 * * 1", NOON.replace(day=2, hour=0)),
        ("00:00:30", NOON + timedelta(seconds=30)),
    ],
)
def test_schedules_have_six_fields_or_five_or_are_a_time_span(expression: str, next_run: datetime) -> None:
    assert Schedule(expression).next_after(NOON) == next_run


@pytest.mark.parametrize("expression", ["every minute", "61 * * * * *", "* * *"])
def test_a_bad_schedule_is_refused(expression: str) -> None:
    with pytest.raises(SettingsError):
        Schedule(expression)


def test_runs_never_overlap(azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]) -> None:
    host = SampleHost(azurite, tmp_path, unique_name("t"), TIMER_SCHEDULE="* * * * * *", TICK_SECONDS="1.1")
    with host:
        ticks = host.wait_for_events("tick", count=3)
    assert [tick["event"] for tick in ticks[:3]] == ["started", "finished", "started"]
    assert not any(tick.get("past_due") for tick in ticks)


def test_run_on_startup_runs_at_once_and_is_not_past_due(sample_host: SampleHost) -> None:
    (event,) = sample_host.wait_for_events("at_startup")
    assert event["past_due"] is False


def test_a_missed_run_fires_at_once_as_past_due(
    azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    prefix = unique_name("t")
    host = SampleHost(azurite, tmp_path, prefix, TIMER_SCHEDULE="0 0 * * * *")
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    missed = {"Last": two_hours_ago.isoformat(), "Next": "", "LastUpdated": two_hours_ago.isoformat()}
    status = host.container("azure-webjobs-hosts").get_blob_client(f"timers/{prefix}/Host.Functions.tick/status")
    status.upload_blob(json.dumps(missed))
    with host:
        (event,) = host.wait_for_events("tick", event="started")
        assert event["past_due"] is True

        def stored() -> dict[str, str]:
            return json.loads(status.download_blob().readall())

        wait_for(lambda: stored()["Last"] != missed["Last"])
        assert datetime.fromisoformat(stored()["Next"]) > datetime.now(UTC)


def test_of_two_hosts_one_runs_the_timer_and_the_other_takes_over(
    azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    runs: list[str] = []
    settings = HostSettings(tmp_path, {"AzureFunctionsWebHost__hostid": unique_name("t")}, {})

    def listener(name: str) -> TimerListener:
        async def tick(timer: func.TimerRequest) -> None:
            runs.append(name)

        function = LoadedFunction(
            "tick", tick, "timer", func.TimerRequest, {"type": "timerTrigger", "schedule": "* * * * * *"}, False, False
        )
        storage = Storage(azurite.connection_string)
        return TimerListener(function, settings, storage, Invoker(tmp_path), LockOptions(renew_seconds=0.2))

    async def scenario() -> None:
        stops = [asyncio.Event(), asyncio.Event()]
        first = asyncio.create_task(listener("first").run(stops[0]))
        await asyncio.to_thread(wait_for, lambda: runs)
        second = asyncio.create_task(listener("second").run(stops[1]))
        await asyncio.to_thread(wait_for, lambda: len(runs) >= 3)
        assert set(runs) == {"first"}
        stops[0].set()
        await first
        await asyncio.to_thread(wait_for, lambda: "second" in runs)
        stops[1].set()
        await second

    asyncio.run(scenario())
    assert runs == sorted(runs), "never both"
