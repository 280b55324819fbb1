"""A resource group as Azure describes it, by the SDKs' own models, and an ``az`` that answers with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from azure.mgmt.appcontainers import models as apps
from azure.mgmt.eventgrid import models as events
from azure.mgmt.storage import models as storage
from azure.mgmt.web import models as web

from infra.verify.storage import EXPECTED

Json = dict[str, Any]
ENVIRONMENT = "/subscriptions/1/resourceGroups/music/providers/Microsoft.App/managedEnvironments/music"
APP = "Microsoft.App/containerApps"
SITE = "Microsoft.Web/sites"
ACCOUNT = "Microsoft.Storage/storageAccounts"
TOPIC = "Microsoft.EventGrid/systemTopics"
COMMON = {
    "AzureWebJobsStorage__accountName": "music",
    "AzureWebJobsStorage__credential": "managedidentity",
    "PYTHON_ENABLE_INIT_INDEXING": "1",
    "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING": "true",
}
HTTP_SETTINGS = COMMON | {"STEMWORKS_ROLE": "http", "INBOX_SOURCE": "EventGrid"}
GPU_SETTINGS = COMMON | {"STEMWORKS_ROLE": "gpu"}


def rule(queue: str) -> apps.ScaleRule:
    """As KEDA's scaler of storage queues is told of one."""
    metadata = {"queueName": queue, "queueLength": "4", "accountName": "music"}
    return apps.ScaleRule(name=queue, custom=apps.CustomScaleRule(type="azure-queue", metadata=metadata))


def gpu_app(
    *queues: str,
    identity: str = "SystemAssigned",
    profile: str = "gpu",
    maximum: int | None = 2,
    settings: dict[str, str] = GPU_SETTINGS,
) -> Json:
    """The container app of the role ``gpu``, with a scale rule for each of the ``queues``."""
    template = apps.Template(
        scale=apps.Scale(min_replicas=0, max_replicas=maximum, rules=[rule(queue) for queue in queues]),
        containers=[
            apps.Container(name="gpu", env=[apps.EnvironmentVar(name=k, value=v) for k, v in settings.items()])
        ],
    )
    app = apps.ContainerApp(
        location="westeurope",
        kind="functionapp",
        identity=apps.ManagedServiceIdentity(type=identity),
        properties=apps.ContainerAppProperties(
            environment_id=ENVIRONMENT, workload_profile_name=profile, template=template
        ),
    )
    return {"name": "music-gpu", **app.as_dict()}


def revision(*queues: str, health: str = "Healthy", running: str = "Running", active: bool = True) -> Json:
    """A revision, with the scale rules that the platform has generated."""
    template = {"scale": {"rules": [rule(queue).as_dict() for queue in queues]}}
    states = {"provisioningState": "Provisioned", "healthState": health, "runningState": running, "active": active}
    return apps.Revision({"properties": {**states, "template": template}}).as_dict()


def environment(profile_type: str = "Consumption-GPU-NC8as-T4") -> Json:
    profiles = [apps.WorkloadProfile(name="gpu", workload_profile_type=profile_type)]
    properties = apps.ManagedEnvironmentProperties(workload_profiles=profiles)
    return {"id": ENVIRONMENT, **apps.ManagedEnvironment(location="westeurope", properties=properties).as_dict()}


def site(state: str = "Running", version: str = "3.11", maximum: int | None = 40) -> Json:
    config = web.FunctionAppConfig(
        runtime=web.FunctionsRuntime(name="python", version=version),
        scale_and_concurrency=web.FunctionsScaleAndConcurrency(maximum_instance_count=maximum, instance_memory_mb=2048),
    )
    properties = {**web.SiteProperties(function_app_config=config).as_dict(), "state": state}
    return {"name": "music-http", "kind": "functionapp,linux", "properties": properties}


def reference(status: str = "Resolved") -> Json:
    properties = web.ApiKVReferenceProperties(status=status)
    return {"name": "WEBHOOK_SECRETS", **web.ApiKVReference(properties=properties).as_dict()}


def account(**properties: Any) -> Json:
    shut = {"allowSharedKeyAccess": False, "allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2"}
    described = storage.StorageAccount({"location": "westeurope", "properties": shut | properties}).as_dict()
    return {"name": "music", **described}


def subscription(container: str = "inbox", state: str = "Succeeded") -> Json:
    destination = events.WebHookEventSubscriptionDestination(endpoint_url="https://music-http.example/hook")
    watched = events.EventSubscriptionFilter(subject_begins_with=f"/blobServices/default/containers/{container}/")
    described = events.EventSubscription(destination=destination, filter=watched).serialize(keep_readonly=True)
    return {"properties": described["properties"] | {"provisioningState": state}}


def group(**changes: Any) -> dict[str, Any]:
    """What there is under each path of a group that is as it should be, but for the ``changes``."""
    queues = ("generation-requests", "separation-requests")
    answers = {
        APP: [gpu_app()],
        f"{APP}/music-gpu/revisions": [revision(*queues)],
        "Microsoft.App/managedEnvironments": [environment()],
        SITE: [site()],
        f"{SITE}/music-http/config/appsettings/list": {"properties": HTTP_SETTINGS},
        f"{SITE}/music-http/config/configreferences/appsettings": [reference()],
        ACCOUNT: [account()],
        TOPIC: [{"name": "music"}],
        f"{TOPIC}/music/eventSubscriptions": [subscription()],
    }
    answers |= {f"{ACCOUNT}/music/{path}": [{"name": name} for name in names] for path, names in EXPECTED.values()}
    return answers | changes


def put_az(folder: Path, answers: dict[str, Any]) -> None:
    """Put a program ``az`` into ``folder`` that answers ``az rest`` for the group ``music``; ``None`` is not found."""
    there = {path: answer for path, answer in answers.items() if answer is not None}
    wrapped = {path: answer if isinstance(answer, dict) else {"value": answer} for path, answer in there.items()}
    (folder / "answers.json").write_text(json.dumps(wrapped))
    program = folder / "az"
    program.write_text(_AZ.format(python=sys.executable, answers=folder / "answers.json"))
    program.chmod(0o755)


_AZ = """#!{python}
import json, sys
given = sys.argv[1:]
assert given[0] == "rest", given
url = given[given.index("--url") + 1]
method = given[given.index("--method") + 1]
path, _, query = url.partition("?")
scope = "/subscriptions/{{subscriptionId}}/resourceGroups/music/providers/"
answer = json.load(open("{answers}")).get(path.removeprefix(scope)) if query.startswith("api-version=20") else None
if answer is None or not path.startswith(scope) or (method == "post") != path.endswith("/list"):
    sys.exit("ERROR: Not Found(" + path + ")")
print(json.dumps(answer))
"""
