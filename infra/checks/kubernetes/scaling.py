"""Rules for how many pods there are: KEDA's ScaledObjects against the queues and the host's batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.jobs.messages import CALLBACKS, QUEUES
from infra.capacity.defaults import Defaults
from infra.checks.fault import Fault
from infra.checks.kubernetes import code
from infra.checks.kubernetes.rendering import Manifest
from infra.checks.kubernetes.workloads import Host, hosts


def targets_are_there(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A scaler scales a Deployment of the same name space, whose number of pods nobody else sets."""
    deployments = {manifest.name: manifest for manifest in manifests if manifest.kind == "Deployment"}
    for scaler in _scalers(manifests):
        target = scaler.content["spec"]["scaleTargetRef"]["name"]
        if target not in deployments:
            yield scaler.fault(f"there is no Deployment {target}", "spec", "scaleTargetRef", "name")
        elif "replicas" in deployments[target].content["spec"]:
            yield deployments[target].fault("each apply would undo what the scaler did", "spec", "replicas")


def bounds_fit(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """The role gpu scales from nothing; what is called, or has timers, never goes to nothing."""
    for scaler, host in _scaled_hosts(manifests):
        spec = scaler.content["spec"]
        least, most = spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
        if least > most:
            yield scaler.fault(f"at least {least} and at most {most} cannot be", "spec", "minReplicaCount")
        if host.role == "gpu" and least:
            yield scaler.fault("cards cost while nothing waits: minReplicaCount must be 0", "spec", "minReplicaCount")
        if host.role != "gpu" and not least:
            yield scaler.fault("nobody would answer, and no timer run, at 0 pods", "spec", "minReplicaCount")


def cards_come_and_go_as_computed(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """The role gpu is looked after as often, and kept as long, as the simulation of capacity found best."""
    defaults = Defaults.load()
    wanted = {"pollingInterval": defaults.polling_interval, "cooldownPeriod": defaults.cooldown_period}
    for scaler, host in _scaled_hosts(manifests):
        for field, seconds in wanted.items():
            if host.role == "gpu" and scaler.content["spec"].get(field) != seconds:
                yield scaler.fault(f"{field} must be that of infra/capacity, {seconds:g}", "spec", field)


def queues_are_scaled_on(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Every queue counts for the role that takes from it, and for no other."""
    seen = set()
    for scaler, host in _scaled_hosts(manifests):
        for index, trigger in _queue_triggers(scaler):
            queue = trigger["metadata"].get("queueName")
            seen.add(queue)
            if queue not in QUEUES:
                yield scaler.fault(f"there is no queue {queue}", "spec", "triggers", index, "metadata", "queueName")
            elif queue not in code.queues(host.role):
                detail = f"the role {host.role} takes nothing from {queue}"
                yield scaler.fault(detail, "spec", "triggers", index, "metadata", "queueName")
    if scalers := _scalers(manifests):
        for queue in (queue for queue in QUEUES if queue not in seen):
            yield scalers[0].fault(f"no trigger counts {queue}", "spec", "triggers")


def lengths_are_batches(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """A pod more for every batch. What is worked on counts; a callback that waits for its next try does not."""
    for scaler, host in _scaled_hosts(manifests):
        batch = str(code.batch_size(host.environment))
        for index, trigger in _queue_triggers(scaler):
            metadata = trigger["metadata"]
            place = ("spec", "triggers", index, "metadata")
            if metadata.get("queueLength", "5") != batch:
                yield scaler.fault(f"queueLength must be batchSize of host.json, {batch}", *place, "queueLength")
            wanted = "visibleonly" if metadata.get("queueName") == CALLBACKS else "all"
            if metadata.get("queueLengthStrategy", "all") != wanted:
                yield scaler.fault(f"queueLengthStrategy must be {wanted}", *place, "queueLengthStrategy")


def triggers_may_ask(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """KEDA may read each queue: its authentication is there, and by identity the account is named."""
    authentications = {manifest.name: manifest for manifest in manifests if manifest.kind == "TriggerAuthentication"}
    for scaler in _scalers(manifests):
        for index, trigger in _queue_triggers(scaler):
            name = trigger.get("authenticationRef", {}).get("name")
            place = ("spec", "triggers", index)
            if name not in authentications:
                yield scaler.fault(f"there is no TriggerAuthentication {name}", *place, "authenticationRef")
            elif "podIdentity" in authentications[name].content["spec"] and "accountName" not in trigger["metadata"]:
                yield scaler.fault("by identity, a trigger must name the account", *place, "metadata")


def _scalers(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest.kind == "ScaledObject"]


def _scaled_hosts(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Host]]:
    by_name = {host.manifest.name: host for host in hosts(manifests)}
    for scaler in _scalers(manifests):
        if host := by_name.get(scaler.content["spec"]["scaleTargetRef"]["name"]):
            yield scaler, host


def _queue_triggers(scaler: Manifest) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, trigger in enumerate(scaler.content["spec"]["triggers"]):
        if trigger["type"] == "azure-queue":
            yield index, trigger


RULES = (
    targets_are_there, bounds_fit, cards_come_and_go_as_computed, queues_are_scaled_on, lengths_are_batches,
    triggers_may_ask,
)  # fmt: skip
