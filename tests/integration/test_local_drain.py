"""How the local host ends: it drains, it gives up, it obeys the second signal."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from local.azurite import Azurite
from local.host import STREAM_GRACE_SECONDS
from tests.integration.local_host import SampleHost, encoded, wait_for


@pytest.fixture
def host(azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]) -> Iterator[SampleHost]:
    with SampleHost(azurite, tmp_path, unique_name("d"), grace_seconds=15.0) as started:
        yield started


def test_a_drained_host_ends_what_runs_takes_nothing_new_and_exits_with_0(host: SampleHost) -> None:
    queue = host.queue("slow")
    queue.send_message(encoded("running"))
    with ThreadPoolExecutor() as pool:
        page = pool.submit(lambda: host.http.get("/hold"))
        host.wait_for_events("slow", event="started")
        host.wait_for_events("hold", event="started")
        host.process.signal(signal.SIGTERM)
        wait_for(lambda: "draining" in host.process.log())
        queue.send_message(encoded("too late"))
        host.release("release-running")
        host.wait_for_events("slow", event="finished")
        host.release("release-hold")
        assert page.result().text == "held"
    assert host.process.wait() == 0
    assert host.events("slow", body="too late") == []
    assert [message.content for message in queue.peek_messages(2)] == [encoded("too late")], "the other was deleted"


def test_an_idle_host_ends_at_once_on_ctrl_c(host: SampleHost) -> None:
    host.process.signal(signal.SIGINT)
    assert host.process.wait() == 0


def test_the_second_ctrl_c_ends_at_once(host: SampleHost) -> None:
    host.queue("slow").send_message(encoded("endless"))
    host.wait_for_events("slow", event="started")
    host.process.signal(signal.SIGINT)
    wait_for(lambda: "draining" in host.process.log())
    host.process.signal(signal.SIGINT)
    assert host.process.wait() == 130
    assert host.events("slow", event="finished") == []


def test_after_the_grace_period_it_exits_and_names_what_it_gave_up(
    azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    with SampleHost(azurite, tmp_path, unique_name("d"), grace_seconds=0.5) as host:
        host.queue("slow").send_message(encoded("endless"))
        host.wait_for_events("slow", event="started")
        assert host.process.stop() == 0
        assert "gave up after 0.5 s on: slow" in host.process.log()
        assert host.events("slow", event="finished") == []


def test_a_host_that_loses_its_storage_goes_on_when_it_is_back(
    tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    with Azurite(data_dir=tmp_path / "data") as azurite, SampleHost(azurite, tmp_path, unique_name("d")) as host:
        host.queue("jobs").send_message(encoded("before"))
        host.wait_for_events("jobs", body="before")
        azurite.stop()
        wait_for(lambda: "cannot be polled" in host.process.log())
        azurite.start()
        host.queue("jobs").send_message(encoded("after"))
        host.wait_for_events("jobs", body="after")
        assert host.process.stop() == 0


def test_an_open_stream_does_not_hold_up_the_end(azurite: Azurite, tmp_path: Path, host: SampleHost) -> None:
    with ThreadPoolExecutor() as pool:
        page = pool.submit(lambda: host.http.get("/hold"))
        host.wait_for_events("hold", event="started")
        host.process.signal(signal.SIGTERM)
        wait_for(lambda: host.process.exit_status() == 0, seconds=STREAM_GRACE_SECONDS + 7)
        with pytest.raises(httpx.HTTPError):
            page.result().raise_for_status()
