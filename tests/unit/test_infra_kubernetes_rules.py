"""Each rule over ``infra/kubernetes`` sees the fault that it is there for, in manifests that are right but for it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest

from infra.checks.kubernetes import FOLDER, RULES, network, references, scaling, shapes, workloads
from infra.checks.kubernetes.rendering import Manifest, containers, manifests_of, render

Content = dict[str, Any]
Change = Callable[[Content], object]


@cache
def _right() -> tuple[Manifest, ...]:
    return (*render(FOLDER / "overlays/aks"), *render(FOLDER / "ingress"))


def _with(kind: str, name: str, change: Change) -> list[Manifest]:
    """The manifests of a cluster on Azure, with one object changed."""
    manifests = [
        Manifest(copy.deepcopy(manifest.content), manifest.node, manifest.file)
        for manifest in _right()
    ]  # fmt: skip
    change(next(manifest.content for manifest in manifests if (manifest.kind, manifest.name) == (kind, name)))
    return manifests


def _pod(content: Content) -> Content:
    pod: Content = content["spec"]["template"]["spec"]
    return pod


def _host(content: Content) -> Content:
    host: Content = _pod(content)["containers"][0]
    return host


def _env(content: Content, name: str, value: str) -> None:
    _host(content)["env"] = [entry for entry in _host(content)["env"] if entry["name"] != name]
    _host(content)["env"].append({"name": name, "value": value})


def _trigger(content: Content, index: int) -> Content:
    trigger: Content = content["spec"]["triggers"][index]["metadata"]
    return trigger


def _egress(content: Content) -> Content:
    rule: Content = content["spec"]["egress"][0]
    return rule


FAULTS: list[tuple[Callable[[Sequence[Manifest]], Any], str, str, Change, str]] = [
    (workloads.settings_are_known, "ConfigMap", "stemworks",
     lambda c: c["data"].update(PUBLIC_URI=""), "no setting is called PUBLIC_URI"),
    (workloads.settings_are_known, "Deployment", "http",
     lambda c: _env(c, "STEMWORK_ROLE", "http"), "no setting is called STEMWORK_ROLE"),
    (workloads.settings_are_known, "Deployment", "http",
     lambda c: _env(c, "AzureWebJobs.in_box.Disabled", "true"), "no setting is called AzureWebJobs.in_box.Disabled"),
    (workloads.settings_are_known, "Deployment", "gpu",
     lambda c: _host(c)["envFrom"].append({"secretRef": {"name": "stemworks"}}), "name each key of a Secret"),
    (workloads.settings_fit, "ConfigMap", "stemworks",
     lambda c: c["data"].update(INBOX_SOURCE="Everything"), "setting INBOX_SOURCE"),
    (workloads.settings_fit, "Deployment", "gpu",
     lambda c: _env(c, "PYTHON_ENABLE_INIT_INDEXING", "0"), "needs PYTHON_ENABLE_INIT_INDEXING=1"),
    (workloads.settings_fit, "ConfigMap", "stemworks",
     lambda c: c["data"].update(FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING="1"), "must be true"),
    (workloads.storage_is_named, "Deployment", "http",
     lambda c: _pod(c)["initContainers"][0]["envFrom"].pop(), "container storage is told of no storage account"),
    (workloads.roles_are_told_apart, "Deployment", "gpu",
     lambda c: _env(c, "AzureFunctionsWebHost__hostid", "stemworks-http"), "shares AzureFunctionsWebHost__hostid"),
    (workloads.roles_are_told_apart, "Deployment", "http",
     lambda c: _host(c)["env"].pop(1), "hostid '' must be"),
    (workloads.roles_are_told_apart, "Deployment", "http",
     lambda c: _env(c, "AzureFunctionsWebHost__hostid", "Stemworks--http"), "hostid 'Stemworks--http' must be"),
    (workloads.images_fit, "Deployment", "gpu",
     lambda c: _host(c).update(image="registry.example.org/stemworks-gpu:latest"), "can be another image tomorrow"),
    (workloads.images_fit, "Deployment", "gpu",
     lambda c: _host(c).update(image="registry.example.org:5000/stemworks-gpu"), "can be another image tomorrow"),
    (workloads.images_fit, "Deployment", "gpu",
     lambda c: _host(c).update(image="example.org/other:1"), "no Dockerfile makes example.org/other:1"),
    (workloads.images_fit, "Deployment", "http",
     lambda c: _host(c)["ports"][0].update(containerPort=80), "does not listen on 80"),
    (workloads.images_fit, "Deployment", "http",
     lambda c: _pod(c)["securityContext"].update(runAsUser=1000), "runs as 1000"),
    (workloads.probes_fit, "Deployment", "gpu",
     lambda c: _host(c).pop("livenessProbe"), "has no livenessProbe"),
    (workloads.probes_fit, "Deployment", "http",
     lambda c: _host(c).pop("readinessProbe"), "has no readinessProbe"),
    (workloads.probes_fit, "Deployment", "gpu",
     lambda c: _host(c)["startupProbe"]["httpGet"].update(path="/readyz"), "the role gpu does not answer /readyz"),
    (workloads.probes_fit, "Deployment", "http",
     lambda c: _host(c)["livenessProbe"]["httpGet"].update(port="web"), "no port is called web"),
    (workloads.jobs_may_finish, "Deployment", "http",
     lambda c: _host(c).pop("lifecycle"), "must run drain.py"),
    (workloads.jobs_may_finish, "Deployment", "gpu",
     lambda c: _pod(c).pop("terminationGracePeriodSeconds"), "30 s are not enough"),
    (workloads.jobs_may_finish, "ConfigMap", "stemworks",
     lambda c: c["data"].update(JOB_DEADLINE_SECONDS="3300"), "JOB_DEADLINE_SECONDS, 3300 s"),
    (workloads.jobs_may_finish, "Deployment", "gpu",
     lambda c: _host(c)["volumeMounts"].pop(2), "drain.py finds no key"),
    (workloads.jobs_may_finish, "ConfigMap", "stemworks",
     lambda c: c["data"].pop("AzureWebJobsSecretStorageType"), "drain.py finds no key"),
    (workloads.resources_are_bounded, "Deployment", "http",
     lambda c: _pod(c)["initContainers"][0]["resources"]["limits"].pop("memory"), "no limits of memory"),
    (workloads.resources_are_bounded, "Deployment", "gpu",
     lambda c: _host(c)["resources"]["requests"].pop("cpu"), "no requests of cpu"),
    (workloads.pods_are_confined, "Deployment", "gpu",
     lambda c: _host(c)["securityContext"].update(readOnlyRootFilesystem=False), "readOnlyRootFilesystem must be True"),
    (workloads.pods_are_confined, "Deployment", "http",
     lambda c: _pod(c)["initContainers"][0].pop("securityContext"), "allowPrivilegeEscalation must be False"),
    (workloads.pods_are_confined, "Deployment", "http",
     lambda c: _host(c)["securityContext"]["capabilities"].update(drop=["NET_RAW"]), "capabilities.drop must be"),
    (workloads.pods_are_confined, "Deployment", "gpu",
     lambda c: _pod(c)["securityContext"].update(runAsNonRoot=False), "runAsNonRoot must be True"),
    (workloads.pods_are_confined, "Deployment", "gpu",
     lambda c: _pod(c)["securityContext"].pop("seccompProfile"), "seccompProfile.type must be RuntimeDefault"),
    (workloads.pods_are_confined, "Deployment", "gpu",
     lambda c: _pod(c).pop("automountServiceAccountToken"), "automountServiceAccountToken must be false"),
    (workloads.pods_are_confined, "Deployment", "gpu",
     lambda c: _pod(c).update(hostNetwork=True), "hostNetwork leads out"),
    (workloads.pods_are_confined, "Deployment", "gpu",
     lambda c: _pod(c)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}), "hostPath leads out"),
    (scaling.targets_are_there, "ScaledObject", "gpu",
     lambda c: c["spec"]["scaleTargetRef"].update(name="cpu"), "there is no Deployment cpu"),
    (scaling.targets_are_there, "Deployment", "gpu",
     lambda c: c["spec"].update(replicas=1), "each apply would undo"),
    (scaling.bounds_fit, "ScaledObject", "gpu",
     lambda c: c["spec"].update(minReplicaCount=1), "minReplicaCount must be 0"),
    (scaling.bounds_fit, "ScaledObject", "http",
     lambda c: c["spec"].pop("minReplicaCount"), "nobody would answer"),
    (scaling.bounds_fit, "ScaledObject", "http",
     lambda c: c["spec"].update(maxReplicaCount=1), "at least 2 and at most 1"),
    (scaling.cards_come_and_go_as_computed, "ScaledObject", "gpu",
     lambda c: c["spec"].update(cooldownPeriod=1800), "cooldownPeriod must be that of infra/capacity, 300"),
    (scaling.cards_come_and_go_as_computed, "ScaledObject", "gpu",
     lambda c: c["spec"].pop("pollingInterval"), "pollingInterval must be that of infra/capacity, 10"),
    (scaling.queues_are_scaled_on, "ScaledObject", "gpu",
     lambda c: _trigger(c, 0).update(queueName="generation-request"), "there is no queue generation-request"),
    (scaling.queues_are_scaled_on, "ScaledObject", "gpu",
     lambda c: _trigger(c, 0).update(queueName="callbacks"), "the role gpu takes nothing from callbacks"),
    (scaling.queues_are_scaled_on, "ScaledObject", "http",
     lambda c: c["spec"]["triggers"].pop(1), "no trigger counts callbacks"),
    (scaling.lengths_are_batches, "ScaledObject", "gpu",
     lambda c: _trigger(c, 1).update(queueLength="16"), "queueLength must be batchSize of host.json, 4"),
    (scaling.lengths_are_batches, "Deployment", "gpu",
     lambda c: _env(c, "AzureFunctionsJobHost__extensions__queues__batchSize", "1"), "batchSize of host.json, 1"),
    (scaling.lengths_are_batches, "ScaledObject", "gpu",
     lambda c: _trigger(c, 1).update(queueLengthStrategy="visibleonly"), "queueLengthStrategy must be all"),
    (scaling.lengths_are_batches, "ScaledObject", "http",
     lambda c: _trigger(c, 1).pop("queueLengthStrategy"), "queueLengthStrategy must be visibleonly"),
    (scaling.triggers_may_ask, "ScaledObject", "gpu",
     lambda c: _trigger(c, 0).pop("accountName"), "a trigger must name the account"),
    (scaling.triggers_may_ask, "ScaledObject", "gpu",
     lambda c: c["spec"]["triggers"][0]["authenticationRef"].update(name="account"), "TriggerAuthentication account"),
    (references.references_lead_somewhere, "Deployment", "gpu",
     lambda c: _pod(c).update(serviceAccountName="gpu"), "there is no ServiceAccount gpu"),
    (references.references_lead_somewhere, "Deployment", "gpu",
     lambda c: _host(c)["envFrom"].append({"configMapRef": {"name": "more"}}), "there is no ConfigMap more"),
    (references.references_lead_somewhere, "Deployment", "gpu",
     lambda c: _pod(c)["volumes"].append({"name": "models", "persistentVolumeClaim": {"claimName": "models"}}),
     "there is no PersistentVolumeClaim models"),
    (references.references_lead_somewhere, "Deployment", "gpu",
     lambda c: _pod(c)["volumes"].append({"name": "keys", "secret": {"secretName": "keys"}}), "to make Secret keys"),
    (references.references_lead_somewhere, "Deployment", "http",
     lambda c: _host(c)["env"][2]["valueFrom"]["secretKeyRef"].update(key="ALL_KEYS"), "what ALL_KEYS of Secret"),
    (references.references_lead_somewhere, "Ingress", "http",
     lambda c: c["spec"]["tls"][0].update(secretName="certificate"), "how to make Secret certificate"),
    (references.references_lead_somewhere, "Ingress", "http",
     lambda c: c["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(name="api"), "no Service api"),
    (references.secrets_are_not_here, "ConfigMap", "stemworks-storage",
     lambda c: c.update(kind="Secret"), "secrets are made by hand"),
    (references.selectors_select, "Deployment", "http",
     lambda c: c["spec"]["selector"]["matchLabels"].update(tier="web"), "no pod has the labels"),
    (references.selectors_select, "Service", "http",
     lambda c: c["spec"]["selector"].update({"app.kubernetes.io/component": "api"}), "no pod has the labels"),
    (references.selectors_select, "PodDisruptionBudget", "http",
     lambda c: c["spec"]["selector"]["matchLabels"].update(tier="web"), "no pod has the labels"),
    (references.selectors_select, "NetworkPolicy", "http-requests",
     lambda c: c["spec"]["podSelector"]["matchLabels"].update(tier="web"), "no pod has the labels"),
    (references.mounts_have_volumes, "Deployment", "gpu",
     lambda c: _host(c)["volumeMounts"].append({"name": "models", "mountPath": "/models"}), "no volume models"),
    (references.mounts_have_volumes, "Deployment", "gpu",
     lambda c: _pod(c)["volumes"].append({"name": "models", "emptyDir": {}}), "nothing mounts the volume models"),
    (references.one_name_space, "Service", "http",
     lambda c: c["metadata"].pop("namespace"), "must lie in the name space stemworks"),
    (network.everything_is_denied_first, "NetworkPolicy", "default-deny",
     lambda c: c["spec"].update(policyTypes=["Ingress"]), "no policy denies everything"),
    (network.everything_is_denied_first, "NetworkPolicy", "default-deny",
     lambda c: c["spec"].update(egress=[{}]), "no policy denies everything"),
    (network.only_addresses_outside, "NetworkPolicy", "https-outside",
     lambda c: _egress(c)["to"][0]["ipBlock"]["except"].remove("169.254.0.0/16"), "leads to 169.254.169.254"),
    (network.only_addresses_outside, "NetworkPolicy", "https-outside",
     lambda c: _egress(c)["to"][1]["ipBlock"].update(cidr="::/0"), "leads to fe80::1"),
    (network.only_addresses_outside, "NetworkPolicy", "https-outside",
     lambda c: _egress(c).pop("ports"), "allows every port"),
    (network.only_addresses_outside, "NetworkPolicy", "names",
     lambda c: _egress(c).pop("to"), "allows every address"),
    (shapes.shapes_are_known, "Deployment", "http",
     lambda c: _host(c).update(livenesProbe={}), "livenesProbe"),
    (shapes.shapes_are_known, "Deployment", "http",
     lambda c: c.update(apiVersion="extensions/v1beta1"), "extensions/v1beta1"),
    (shapes.shapes_are_known, "Service", "http",
     lambda c: c["spec"]["ports"][0].update(port="http"), "'http' is not of type 'integer'"),
    (shapes.shapes_are_known, "ScaledObject", "gpu",
     lambda c: c["spec"].update(coolDownPeriod=300), "coolDownPeriod"),
    (shapes.shapes_are_known, "ScaledObject", "gpu",
     lambda c: _trigger(c, 0).update(queueLength=4), "4 is not of type 'string'"),
    (shapes.shapes_are_known, "ScaledObject", "gpu",
     lambda c: _trigger(c, 0).update(connection="…"), "connection"),
    (shapes.shapes_are_known, "ScaledObject", "http",
     lambda c: c["spec"]["triggers"][2].pop("metricType"), "metricType"),
    (shapes.shapes_are_known, "TriggerAuthentication", "storage",
     lambda c: c["spec"]["podIdentity"].update(identityId=""), "'' does not match"),
    (shapes.shapes_are_known, "TriggerAuthentication", "storage",
     lambda c: c.update(kind="ClusterTriggerAuthentication"), "knows this kind"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "kind", "name", "change", "words"),
    FAULTS,
    ids=[f"{rule.__name__}: {words}" for rule, _, _, _, words in FAULTS],
)
def test_a_rule_sees_what_it_is_there_for(
    rule: Callable[[Sequence[Manifest]], Any], kind: str, name: str, change: Change, words: str
) -> None:
    assert not list(rule(_right()))
    assert any(words in fault.detail for fault in rule(_with(kind, name, change)))


def test_every_rule_is_seen_to_work() -> None:
    assert {rule for rule, *_ in FAULTS} == {*RULES, *shapes.RULES}


def test_a_function_may_be_switched_off_by_its_name() -> None:
    manifests = _with("Deployment", "http", lambda c: _env(c, "AzureWebJobs.inbox.Disabled", "true"))
    assert not list(workloads.settings_are_known(manifests))


def test_a_fault_is_told_with_its_place() -> None:
    text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: http\nspec:\n  selector:\n    app: api\n  ports: []\n"
    manifests = manifests_of(text, "infra/kubernetes/http.yaml")
    (fault,) = references.selectors_select(manifests)
    assert str(fault) == "infra/kubernetes/http.yaml:6: Service http: no pod has the labels {'app': 'api'}"
    assert manifests[0].fault("", "spec", "ports", 3, "name").line == 8, "the nearest that is there"


def test_what_an_image_brings_along_is_among_its_containers_settings() -> None:
    manifest = next(manifest for manifest in _right() if (manifest.kind, manifest.name) == ("Deployment", "gpu"))
    (_, container), *_ = containers(manifest)
    environment = workloads.environment(container, _right())
    assert environment["FUNCTIONS_WORKER_RUNTIME"] == "python", "the Dockerfile's"
    assert environment["AzureWebJobsStorage__accountName"] == "youraccount", "the ConfigMap's"
    assert environment["HF_HOME"] == "/tmp/huggingface", "the ConfigMap's, over the Dockerfile's"
    assert environment["STEMWORKS_ROLE"] == "gpu", "its own"
