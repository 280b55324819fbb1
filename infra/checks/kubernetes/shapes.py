"""Whether manifests are what Kubernetes and KEDA understand: every field known, of its type, none missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache

import kubernetes_validate
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from infra.checks.fault import Fault
from infra.checks.kubernetes.rendering import ROOT, Manifest

SCHEMAS = ROOT / "infra/kubernetes/schemas"
VERSION = kubernetes_validate.latest_version()
"""Of Kubernetes: the newest whose schemas are at hand."""


def shapes_are_known(manifests: Sequence[Manifest]) -> Iterator[Fault]:
    """Each object fits its kind's schema, strictly: a field that is not known is a fault."""
    for manifest in manifests:
        if str(manifest.content["apiVersion"]).startswith("keda.sh/"):
            yield from _keda(manifest)
        else:
            yield from _kubernetes(manifest)


def _kubernetes(manifest: Manifest) -> Iterator[Fault]:
    if misfit := _misfit(json.dumps(manifest.content)):
        detail, path = misfit
        yield manifest.fault(detail, *path)


@cache  # overlays share most of their objects, and each look reads all schemas
def _misfit(content: str) -> tuple[str, tuple[str | int, ...]] | None:
    """What is wrong with an object, and where in it."""
    try:
        kubernetes_validate.validate(json.loads(content), VERSION, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        return error.message, ("apiVersion",)
    except kubernetes_validate.ValidationError as error:
        return error.message, tuple(error.absolute_path)
    return None


def _keda(manifest: Manifest) -> Iterator[Fault]:
    file = SCHEMAS / f"{manifest.kind.lower()}.json"
    if not file.is_file():
        yield manifest.fault(f"no schema in {SCHEMAS.relative_to(ROOT)} knows this kind", "kind")
    elif error := best_match(_validator(file.name).iter_errors(manifest.content)):
        yield manifest.fault(error.message, *error.absolute_path)


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / name).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


RULES = (shapes_are_known,)
