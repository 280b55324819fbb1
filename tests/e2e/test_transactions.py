"""What a job costs in storage transactions, counted by a proxy between the host and storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.counting_proxy import CountingProxy
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage
from tests.e2e.api import Api
from tests.e2e.conftest import SETTINGS
from tests.integration.local_host import wait_for
from tests.receiver import Receiver

ALONE = {f"AzureWebJobs.{name}.Disabled": "true" for name in ("recover_jobs", "expire_files", "inbox")}
"""What works by itself, and would be counted."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[CountingProxy]:
    with Azurite() as azurite:  # one that no other host works on
        prepare_storage(azurite.connection_string)
        with CountingProxy(azurite.connection_string) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def api(proxy: CountingProxy) -> Iterator[Api]:
    settings = SETTINGS | ALONE | {"PROGRESS_INTERVAL_SECONDS": "30"}
    with HostProcess(proxy.connection_string, settings=settings) as host:
        yield Api(host.base_url)


@pytest.mark.parametrize("stems", [("bass",), ("guitar", "bass", "drums")])
def test_a_job_takes_twelve_transactions_and_one_a_stem(api: Api, proxy: CountingProxy, stems: tuple[str, ...]) -> None:
    with Receiver() as receiver:
        proxy.reset()
        answer = api.generate(*stems, callback_url=receiver.url, parameters={"duration_seconds": 10})
        assert answer.status_code == 202
        receiver.wait_for(1)

        def deleted() -> bool:
            done = [one for one in proxy.transactions() if one.method == "DELETE" and one.service == "queue"]
            return len(done) == 2  # the job's message and the callback's: the last thing that happens

        wait_for(deleted)
    passed = [one for one in proxy.transactions() if not one.of_host]
    counted = [str(one) for one in passed if not one.of_metrics]
    assert len(counted) <= 12 + len(stems), "\n".join(counted)
    assert sum("blob PUT" in one for one in counted) == len(stems)
    assert len(passed) - len(counted) <= 3  # what the process has counted, written every five seconds
