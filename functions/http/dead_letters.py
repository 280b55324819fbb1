"""Dead letters: messages that failed too often, to look at and to send again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from functions.http.dependencies import ServicesDep

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])


@router.get("")
def list_dead_letters(services: ServicesDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> dict[str, Any]:
    """The messages that failed too often."""
    return {"dead_letters": [letter.model_dump(mode="json") for letter in services.dead_letters.page(limit)]}


@router.post("/{dead_letter_id}/replay", status_code=202)
def replay(dead_letter_id: str, services: ServicesDep) -> dict[str, Any]:
    """Send the message to its queue again. A job that failed with it must be retried first."""
    return services.dead_letters.replay(dead_letter_id).model_dump(mode="json")


@router.delete("/{dead_letter_id}", status_code=204)
def remove(dead_letter_id: str, services: ServicesDep) -> None:
    """Forget a message that needs no replay."""
    services.dead_letters.remove(dead_letter_id)
