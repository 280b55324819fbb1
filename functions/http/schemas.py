"""JSON schemas for the OpenAPI document, of bodies that FastAPI does not read by itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema in one piece: references would lead to definitions that the document does not have."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    expanded: dict[str, Any] = _expanded(schema, definitions)
    return expanded


def _expanded(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_expanded(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref", "").removeprefix("#/$defs/") if "$ref" in node else None
    if reference:
        node = definitions[reference] | {key: value for key, value in node.items() if key != "$ref"}
    return {key: _expanded(value, definitions) for key, value in node.items()}
