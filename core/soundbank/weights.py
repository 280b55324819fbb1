"""Which weights a model was last seen with: whoever takes in requests has none, and yet must tell a sound apart."""

from __future__ import annotations

from core.errors import RowNotFound
from core.ports import Replace, Table
from core.soundbank.rows import PARTITION


def last_weights(table: Table, engine: str, model: str) -> str | None:
    """The SHA-256 of the model's weights, as a worker noted it; ``None`` if none has loaded it yet."""
    try:
        return table.get(PARTITION, _key(engine, model)).document or None
    except RowNotFound:
        return None


def note_weights(table: Table, engine: str, model: str, weights: str | None) -> None:
    """Remember what the model was loaded with. Sounds of other weights stay, under their own fingerprints."""
    if weights is not None and last_weights(table, engine, model) != weights:
        table.commit(PARTITION, Replace(_key(engine, model), weights))


def _key(engine: str, model: str) -> str:
    return f"weights:{engine}:{model.replace('/', '|')}"
