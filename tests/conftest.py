"""What every test may ask for."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from local.azurite import Azurite
from tests.integration.local_host import SampleHost


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """An emulator in memory on free ports, one for each test process: keep names unique, never clear it."""
    with Azurite() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def unique_name() -> Callable[[str], str]:
    """Makes names that no other test uses, fit for queues, containers and (without the dashes) tables."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="session")
def sample_host(
    azurite: Azurite, tmp_path_factory: pytest.TempPathFactory, unique_name: Callable[[str], str]
) -> Iterator[SampleHost]:
    """The sample app under the local host, one for each test process."""
    with SampleHost(azurite, tmp_path_factory.mktemp("sample-host"), unique_name("s")) as host:
        yield host
