"""The first generation worker's routes, ``POST /generate`` and ``GET /health``, as its clients know them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from core.bootstrap import Services
from core.generation.request import SeedGenerationRequest
from functions.http.dependencies import ServicesDep, require_json

router = APIRouter(tags=["first generation service"])


@router.post("/generate", status_code=202, dependencies=[Depends(require_json)])
def generate(body: SeedGenerationRequest, services: ServicesDep) -> dict[str, str]:
    """Generate stems. `generation_request_id` is the job's id: the same id and body come to the same job."""
    job = services.generations.planner.plan(body.modern(), job_id=body.generation_request_id, payload="seed")
    services.jobs.submit(job)
    return {
        "generation_request_id": job.job_id,
        "status": "processing",
        "message": "Generation started. Stems will be available shortly.",
    }


@router.get("/health")
def health(services: ServicesDep) -> dict[str, Any]:
    """Whether the service is well. `mode` is `mock` while the default engine is the synthesiser."""
    connected = services.storage_error() is None
    return {
        "status": "healthy" if connected else "unhealthy",
        "timestamp": services.clock().replace(tzinfo=None).isoformat(timespec="seconds"),
        "services": {
            "stable_audio": _state("stable_audio", services),
            "musicgen": _state("musicgen", services),
            "storage": "connected" if connected else "disconnected",
            "mode": "mock" if services.settings.default_generation_engine == "synth" else "ai",
        },
        "gpu_available": services.engines.gpu_available(),
    }


def _state(engine: str, services: Services) -> str:
    return "loaded" if engine in services.engines.loaded() else "not_loaded"
