"""Rules for who may talk to whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from infra.checks.fault import Fault
from infra.checks.kubernetes.rendering import Manifest

_INSIDE = ("10.0.0.1", "100.64.0.1", "127.0.0.1", "168.63.129.16", "169.254.169.254", "172.16.0.1", "192.168.0.1",
           "fd00::1", "fd00:ec2::254", "fe80::1", "::1")  # fmt: skip
"""Addresses of clusters, of nodes, and of what tells a machine who it is in its cloud."""


def everything_is_denied_first(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """One policy takes every pod and allows nothing, so that the others say all that is allowed."""
    policies = _policies(manifests)
    if policies and not any(_denies_everything(policy.content["spec"]) for policy in policies):
        yield policies[0].fault("no policy denies everything that none allows", "spec")


def only_addresses_outside(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """No range of addresses that pods may reach holds a cluster's or a cloud's inside; each names its ports."""
    for policy in _policies(manifests):
        for index, rule in enumerate(policy.content["spec"].get("egress", ())):
            place = ("spec", "egress", index)
            if not rule.get("ports"):
                yield policy.fault("allows every port", *place)
            if not rule.get("to"):
                yield policy.fault("allows every address", *place)
            for at, peer in enumerate(rule.get("to", ())):
                for address in _INSIDE:
                    if "ipBlock" in peer and _reaches(peer["ipBlock"], address):
                        yield policy.fault(f"leads to {address}", *place, "to", at)


def _policies(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest.kind == "NetworkPolicy"]


def _denies_everything(spec: dict[str, Any]) -> bool:
    return (
        spec["podSelector"] == {}
        and set(spec["policyTypes"]) == {"Ingress", "Egress"}
        and not spec.get("ingress")
        and not spec.get("egress")
    )


def _reaches(block: dict[str, Any], address: str) -> bool:
    """Whether a range, less what is excepted, holds an address."""
    one = ip_address(address)
    return one in ip_network(block["cidr"]) and not any(one in ip_network(cidr) for cidr in block.get("except", ()))


RULES = (everything_is_denied_first, only_addresses_outside)
