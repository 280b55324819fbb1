"""What the check of an installation makes of the resources that Azure shows."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from core.bootstrap import CONTAINERS
from core.settings import Settings
from infra.verify.azure import VERSIONS, AzureError, ResourceGroup
from infra.verify.cloud import cloud
from infra.verify.end_to_end import PROJECT
from infra.verify.finding import Finding, State
from infra.verify.gpu_app import QUEUES, queue_of
from tests.unit.azure_group import (
    ACCOUNT,
    APP,
    GPU_SETTINGS,
    HTTP_SETTINGS,
    SITE,
    TOPIC,
    account,
    environment,
    gpu_app,
    group,
    put_az,
    reference,
    revision,
    site,
    subscription,
)

REVISIONS = f"{APP}/music-gpu/revisions"
SETTINGS = f"{SITE}/music-http/config/appsettings/list"
REFERENCES = f"{SITE}/music-http/config/configreferences/appsettings"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is found in a group that is as it should be, but for some answers."""

    def found(changes: dict[str, Any] | None = None) -> list[Finding]:
        put_az(tmp_path, group(**changes or {}))
        monkeypatch.setenv("PATH", str(tmp_path))
        return list(cloud("music"))

    return found


def faults(findings: list[Finding]) -> list[str]:
    return [finding.subject for finding in findings if finding.state is not State.OK]


def test_a_group_that_is_as_it_should_be_has_no_fault(found: Any) -> None:
    findings = found()
    assert faults(findings) == []
    lines = [str(finding) for finding in findings]
    assert "ok             scale rule for separation-requests: a replica for every 4 messages" in lines
    assert "ok             GPU profile: gpu: Consumption-GPU-NC8as-T4" in lines
    assert "ok             subscription of the inbox: WebHook" in lines
    assert any("0 to 2" in line for line in lines)


@pytest.mark.parametrize("queues", [(), QUEUES[:1], QUEUES[1:]])
def test_a_scale_rule_that_the_platform_did_not_make_is_missing(found: Any, queues: tuple[str, ...]) -> None:
    expected = [f"scale rule for {queue}" for queue in QUEUES if queue not in queues]
    assert faults(found({REVISIONS: [revision(*queues)]})) == expected


def test_rules_of_our_own_in_the_app_count_as_well(found: Any) -> None:
    assert faults(found({APP: [gpu_app(*QUEUES)], REVISIONS: [revision()]})) == []


def test_rules_of_a_revision_that_is_not_active_do_not_count(found: Any) -> None:
    old, new = revision(*QUEUES, active=False), revision()
    assert faults(found({REVISIONS: [old, new]})) == [f"scale rule for {queue}" for queue in QUEUES]


@pytest.mark.parametrize(
    ("rule", "queue"),
    [
        ({"custom": {"type": "azure-queue", "metadata": {"queueName": "a", "queueLength": "4"}}}, ("a", "4")),
        ({"azureQueue": {"queueName": "a", "queueLength": 4}}, ("a", "4")),
        ({"custom": {"type": "azure-servicebus", "metadata": {"queueName": "a"}}}, (None, None)),
        ({"http": {"metadata": {"concurrentRequests": "10"}}}, (None, None)),
    ],
)
def test_the_queue_of_a_rule_is_told_in_every_form(rule: dict[str, Any], queue: tuple[str, str]) -> None:
    assert queue_of(rule) == queue


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({APP: []}, ["GPU app"]),
        ({APP: [gpu_app(maximum=None)]}, ["replicas"]),
        ({APP: [gpu_app(identity="UserAssigned")]}, ["GPU app's identity"]),
        ({APP: [gpu_app(identity="SystemAssigned,UserAssigned")]}, []),
        ({APP: [gpu_app(profile="Consumption")]}, ["GPU profile"]),
        ({"Microsoft.App/managedEnvironments": [environment("D4")]}, ["GPU profile"]),
        ({"Microsoft.App/managedEnvironments": []}, ["GPU profile"]),
        ({REVISIONS: [revision(*QUEUES, health="Unhealthy")]}, ["GPU app's revision"]),
        ({REVISIONS: [revision(*QUEUES, running="Degraded")]}, ["GPU app's revision"]),
        ({REVISIONS: [revision(*QUEUES, running="ScaledToZero", health="None")]}, []),
        ({APP: [gpu_app(*QUEUES)], REVISIONS: []}, ["GPU app's revision"]),
        ({APP: [gpu_app(settings=GPU_SETTINGS | {"STEMWORKS_ROLE": "all"})]}, ["GPU app: STEMWORKS_ROLE"]),
        ({SITE: []}, ["HTTP app"]),
        ({SITE: [site(state="Stopped")]}, ["HTTP app"]),
        ({SITE: [site(version="3.13")]}, ["HTTP app's runtime"]),
        ({SITE: [site(maximum=None)]}, ["HTTP app's scale"]),
        (
            {SETTINGS: {"properties": HTTP_SETTINGS | {"INBOX_SOURCE": "LogsAndContainerScan"}}},
            ["HTTP app: INBOX_SOURCE"],
        ),
        (
            {SETTINGS: {"properties": HTTP_SETTINGS | {"AzureWebJobsStorage": "AccountKey=…"}}},
            ["HTTP app: no connection string"],
        ),
        ({REFERENCES: [reference("AccessToKeyVaultDenied")]}, ["HTTP app: WEBHOOK_SECRETS from Key Vault"]),
        ({ACCOUNT: [account(allowSharedKeyAccess=True)]}, ["storage without keys"]),
        ({ACCOUNT: [account(allowBlobPublicAccess=True)]}, ["storage without public blobs"]),
        ({ACCOUNT: [account(minimumTlsVersion="TLS1_0")]}, ["storage by TLS 1.2 or newer"]),
        ({f"{ACCOUNT}/music/blobServices/default/containers": [{"name": CONTAINERS[0]}]}, ["containers"]),
        ({TOPIC: []}, ["subscription of the inbox"]),
        ({f"{TOPIC}/music/eventSubscriptions": [subscription("uploads")]}, ["subscription of the inbox"]),
        ({f"{TOPIC}/music/eventSubscriptions": [subscription(state="Failed")]}, ["subscription of the inbox"]),
    ],
)
def test_each_thing_that_is_wrong_is_told_and_nothing_else(
    found: Any, changes: dict[str, Any], fault: list[str]
) -> None:
    assert faults(found(changes)) == fault


@pytest.mark.parametrize("name", [*HTTP_SETTINGS])
def test_a_setting_that_is_not_there_is_told(found: Any, name: str) -> None:
    without = {key: value for key, value in HTTP_SETTINGS.items() if key != name}
    assert faults(found({SETTINGS: {"properties": without}})) == [f"HTTP app: {name}"]


def test_the_settings_that_are_looked_for_are_settings_of_the_app_or_of_its_host() -> None:
    known = {field.alias or name.upper() for name, field in Settings.model_fields.items()}
    hosts = {"PYTHON_ENABLE_INIT_INDEXING", "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING"}
    assert {*HTTP_SETTINGS, *GPU_SETTINGS} <= known | hosts


@pytest.mark.parametrize(
    ("file", "settings"), [("modules/http-settings.bicep", HTTP_SETTINGS), ("gpu.bicep", GPU_SETTINGS)]
)
def test_what_is_looked_for_is_what_is_deployed(file: str, settings: dict[str, str]) -> None:
    deployed = (PROJECT / "infra" / file).read_text()
    assert [name for name in settings if f"  {name}: " not in deployed] == []


def test_no_secret_is_shown(found: Any) -> None:
    settings = HTTP_SETTINGS | {"AzureWebJobsStorage": "AccountKey=hush", "API_KEYS": "hush"}
    assert not [finding for finding in found({SETTINGS: {"properties": settings}}) if "hush" in str(finding)]


def test_what_az_refuses_is_told_and_the_rest_is_looked_at_all_the_same(found: Any) -> None:
    findings = found({SETTINGS: None})
    assert faults(findings) == ["HTTP app"]
    assert "Not Found" in next(finding.detail for finding in findings if finding.subject == "HTTP app")
    assert findings[-1].subject == "subscription of the inbox"


def test_without_az_or_without_a_group_azure_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, said in (("music", "az, the Azure CLI, is not on the PATH"), (None, "--resource-group")):
        (finding,) = cloud(name)
        assert finding.state is State.UNSEEN
        assert said in finding.detail


def test_an_az_that_talks_nonsense_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "az").write_text("#!/bin/sh\necho Please run az login\n")
    (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(AzureError, match="something else than JSON: Please run az login"):
        ResourceGroup("music").all(APP)


def test_the_versions_of_azures_apis_are_those_that_the_pinned_sdks_speak() -> None:
    packages = {"App": "appcontainers", "Web": "web", "Storage": "storage", "EventGrid": "eventgrid"}
    for provider, package in packages.items():
        source = Path(import_module(f"azure.mgmt.{package}._configuration").__file__ or "").read_text()
        assert f'"{VERSIONS[f"Microsoft.{provider}"]}"' in source
    assert set(VERSIONS) == {f"Microsoft.{provider}" for provider in packages}
