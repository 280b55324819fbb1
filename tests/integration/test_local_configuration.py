"""Where the local host takes its configuration from, and how it refuses an app."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.azurite import Azurite
from local.settings import HostSettings, SettingsError, load_settings, parse_timespan
from local.stack import HostError, HostProcess
from tests.integration.local_host import SAMPLE_APP, SampleHost, encoded, wait_for

HTTP = "from azurefunctions.extensions.http.fastapi import Request, Response\n"
APP = "import azure.functions as func\napp = func.FunctionApp()\n"


def test_environment_wins_over_local_settings_and_over_host_json(
    azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    override = {"AzureFunctionsJobHost__extensions__http__routePrefix": "v9", "COLOUR": "from the environment"}
    with SampleHost(azurite, tmp_path, unique_name("c"), **override) as host:
        assert host.http.get("/v9/settings").json() == {"COLOUR": "from the environment", "SHAPE": "from the file"}
        assert host.http.get("/settings").status_code == 404


def test_a_disabled_queue_function_takes_no_messages(sample_host: SampleHost) -> None:
    off, on = sample_host.queue("off"), sample_host.queue("jobs")
    off.send_message(encoded("left alone"))
    on.send_message(encoded("after it"))
    sample_host.wait_for_events("jobs", body="after it")
    wait_for(lambda: sample_host.http.get("/admin/host/status").status_code == 200)
    assert off.get_queue_properties().approximate_message_count == 1
    assert off.peek_messages()[0].dequeue_count == 0
    assert sample_host.events("switched_off") == []


def test_any_host_json_key_is_overridden_without_regard_to_case(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"queues": {"batchSize": 4}}}')
    environ = {
        "AzureFunctionsJobHost__Extensions__Queues__BatchSize": "7",
        "AzureFunctionsJobHost__extensions__blobs__poisonBlobThreshold": "2",
    }
    settings = load_settings(tmp_path, environ)
    assert settings.option("extensions.queues.batchSize", 16) == "7"
    assert settings.option("extensions.blobs.poisonBlobThreshold", 5) == "2"
    assert settings.option("extensions.http.routePrefix", "api") == "api"


def test_local_settings_json_is_preferred_to_its_example(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "local.settings.example.json").write_text('{"Values": {"A": "example"}}')
    assert load_settings(tmp_path, {}).values == {"A": "example"}
    (tmp_path / "local.settings.json").write_text('{"Values": {"A": "mine"}}')
    assert load_settings(tmp_path, {}).values == {"A": "mine"}


@pytest.mark.parametrize(
    "key", ["AzureWebJobs.work.Disabled", "AZUREWEBJOBS.WORK.DISABLED", "AzureWebJobs__work__Disabled"]
)
def test_functions_are_disabled_by_name(tmp_path: Path, key: str) -> None:
    settings = HostSettings(tmp_path, {key: "True"}, {})
    assert settings.is_disabled("work")
    assert not settings.is_disabled("workshop")
    assert not HostSettings(tmp_path, {key: "false"}, {}).is_disabled("work")


def test_percent_settings_are_resolved_and_a_missing_one_is_named(tmp_path: Path) -> None:
    settings = HostSettings(tmp_path, {"NAME": "songs"}, {})
    assert settings.resolve("%NAME%-in") == "songs-in"
    with pytest.raises(SettingsError, match="%OTHER%"):
        settings.resolve("%OTHER%")


def test_a_connection_is_found_with_and_without_its_prefix(tmp_path: Path) -> None:
    settings = HostSettings(tmp_path, {"AzureWebJobsStorage": "a", "Mine": "b"}, {})
    assert (settings.connection_string("Storage"), settings.connection_string("Mine")) == ("a", "b")
    with pytest.raises(SettingsError, match="'Absent' is not set"):
        settings.connection_string("Absent")


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:02", 2), ("01:00:00", 3600), ("1.00:00:00", 86400), ("0:0:0.5", 0.5)]
)
def test_time_spans(text: str, seconds: float) -> None:
    assert parse_timespan(text).total_seconds() == seconds


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (APP + '@app.route(route="a")\ndef page(req: func.HttpRequest) -> func.HttpResponse: ...\n', "page"),
        (HTTP + APP + '@app.route(route="a")\ndef page(request: Request) -> Response: ...\n', "page"),
        (APP + '@app.event_hub_message_trigger("e", "c", "h")\ndef stream(e: func.EventHubEvent): ...\n', "stream"),
        (APP + "raise RuntimeError('no such module')\n", "no such module"),
        (
            APP + '@app.timer_trigger("t", "never")\ndef timer(t: func.TimerRequest): ...\n',
            "'never' is not an NCRONTAB",
        ),
        (HTTP + APP + '@app.route(route="{a:int}")\ndef page(req: Request) -> Response: ...\n', "cannot match"),
        ("nothing = 1\n", "must define one FunctionApp"),
    ],
)
def test_one_function_that_fails_indexing_stops_the_app_with_its_name(
    azurite: Azurite, tmp_path: Path, code: str, complaint: str
) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text(code)
    host = HostProcess(azurite.connection_string, app_dir=tmp_path)
    with pytest.raises(HostError, match=complaint):
        host.start()
    assert host.exit_status() == 1
    assert ("Traceback" in host.log()) == ("RuntimeError" in code), "only the app's own failures need one"


def test_an_app_without_storage_is_refused_in_one_sentence(tmp_path: Path) -> None:
    environ = {key: value for key, value in os.environ.items() if key != "AzureWebJobsStorage"} | {"PREFIX": "p"}
    command = [sys.executable, "-m", "local", "host", "--port", "0", "--app-dir", str(SAMPLE_APP)]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert "'AzureWebJobsStorage' is not set" in ended.stderr
