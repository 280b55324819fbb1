"""Field types that say what is allowed, in their errors and in the OpenAPI document alike."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""An id that clients choose: safe as a table key, a blob's folder and a part of a URL."""

ModelName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._-]{0,127})?$")
]
"""A model's name: a plain one, or ``owner/name`` as on the hub."""


def words(value: object) -> object:
    """``"vocals, drums"`` is a list as well: a form, a blob's metadata and the environment have no other."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def default(value: object) -> BeforeValidator:
    """``null`` means the default: several of the older clients send every field they know."""
    return BeforeValidator(lambda given: value if given is None else given)


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must name at least one")
    return values


def _without_duplicates(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = [value for index, value in enumerate(values) if value in values[:index]]
    if repeated:
        raise ValueError(f"each may be named once; {', '.join(dict.fromkeys(repeated))} comes again")
    return values


def at_most(count: int) -> tuple[BeforeValidator, Any]:
    """Not max_length: it would look at every one of a million entries first, and complain about each."""

    def check(values: object) -> object:
        if isinstance(values, list | tuple) and len(values) > count:
            raise ValueError(f"must name at most {count}, not {len(values)}")
        return values

    return BeforeValidator(check), Field(json_schema_extra={"maxItems": count})


# Not min_length: it counts only the elements that fit, and so would complain a second time about one that does not.
NOT_EMPTY = (AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1}))
NO_DUPLICATES = (AfterValidator(_without_duplicates), Field(json_schema_extra={"uniqueItems": True}))


class Between:
    """A number with both its bounds, which are allowed themselves, and its unit."""

    def __init__(self, low: float, high: float, unit: str) -> None:
        self._low = low
        self._high = high
        self._unit = unit

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"minimum": self._low, "maximum": self._high}

    def _check(self, value: float) -> float:
        if not self._low <= value <= self._high:  # false for NaN as well
            unit = f" {self._unit}" if self._unit else ""
            raise ValueError(f"must be {_shown(self._low)} to {_shown(self._high)}{unit}, not {_shown(value)}")
        return value + 0  # -0.0 is 0.0


def _shown(number: float) -> str:
    """In full if it is whole: such a number may be larger than any ``float``, and rounded it could look allowed."""
    return f"{number:.15g}" if isinstance(number, float) else str(number)


def fingerprint(request: BaseModel) -> str:
    """The same for two bodies that ask for the same, whatever the order of their fields or what they leave out."""
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
