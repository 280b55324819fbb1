"""Whether the service lives, whether it can work, and which engines it has."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from core.errors import StorageUnavailable
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
    """The engines there are, what they make, what their licences allow, and whether this process has loaded them."""
    loaded = services.engines.loaded()
    return {"engines": [{**asdict(info), "loaded": info.name in loaded} for info in services.engines.catalogue()]}
