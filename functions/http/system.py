"""Whether the service lives, whether it can work, and which engines it has."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from core.errors import StorageUnavailable
from core.ports import EngineInfo, Engines
from functions.http.dependencies import ServicesDep

router = APIRouter(tags=["system"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process lives; asks nothing of storage."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(services: ServicesDep) -> dict[str, str]:
    """Requests can be taken: storage answers. 503 if it does not."""
    if error := services.storage_error():
        raise StorageUnavailable(error)
    return {"status": "ready", "storage": "connected"}


@router.get("/v1/engines")
def list_engines(services: ServicesDep) -> dict[str, Any]:
    """The engines and models there are, what they make, what their licences allow, and what this process has loaded.

    `sha256` is of the weights, once they are loaded.
    """
    return {"engines": [_described(info, services.engines) for info in services.engines.catalogue()]}


def _described(info: EngineInfo, engines: Engines) -> dict[str, Any]:
    loaded = engines.loaded().get(info.name, {})
    known = {model.name for model in info.models}
    models = [*info.models, *(info.model(name) for name in loaded if name not in known)]
    return asdict(info) | {
        "loaded": bool(loaded),
        "models": [
            asdict(model) | {"loaded": model.name in loaded, "sha256": loaded.get(model.name)} for model in models
        ],
    }
