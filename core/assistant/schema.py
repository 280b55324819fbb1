"""JSON schemas as chat services take them in their strict mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

JsonSchema = dict[str, Any]

_KEPT = ("$ref", "type", "enum", "description")


def strict_schema(model: type[BaseModel]) -> JsonSchema:
    """The model's schema with every field required and no others allowed.

    Limits of length and number are left out: not every service knows them, and one that does not refuses the whole
    schema. The model itself checks them.
    """
    schema = model.model_json_schema()
    definitions = {name: _strict(each) for name, each in schema.get("$defs", {}).items()}
    return _strict(schema) | ({"$defs": definitions} if definitions else {})


def _strict(schema: Mapping[str, Any]) -> JsonSchema:
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if "items" in schema:
        kept["items"] = _strict(schema["items"])
    if "properties" in schema:
        kept["properties"] = {name: _strict(each) for name, each in schema["properties"].items()}
        kept["required"] = list(schema["properties"])
        kept["additionalProperties"] = False
    return kept
