"""What a request asks of a model that the model does not understand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from core.errors import FieldError
from core.generation.inputs import INPUTS
from core.generation.request import GenerationOptions, GenerationParameters
from core.ports import EngineInfo, ModelInfo

_OPTIONAL = ("negative_prompt", "guidance_scale", "top_k", "top_p", "steps")
"""Parameters that a model may have. ``prompt`` and ``temperature`` may be sent to any: older clients always do."""


def option_errors(
    options: GenerationOptions,
    inputs: Collection[str],
    engine: EngineInfo,
    model: ModelInfo,
    catalogue: Iterable[EngineInfo],
) -> Iterator[FieldError]:
    """An error for each parameter and each of ``inputs`` (their names) that was given and the model has no use for."""
    understood = _options(engine, model)
    for name, pointer in _given(options, inputs):
        if name not in understood:
            yield FieldError(pointer, f"{called(engine, model)} does not use it; {_who_does(name, catalogue)}")


def _options(engine: EngineInfo, model: ModelInfo) -> set[str]:
    """Of an operator's own model nothing is known: it may have what any model of its engine has."""
    models = (model,) if model in engine.models else engine.models
    return {option for each in models for option in each.options}


def _given(options: GenerationOptions, inputs: Collection[str]) -> Iterator[tuple[str, str]]:
    """Name and JSON pointer of whatever is not at its default."""
    defaults = GenerationParameters()
    for name in _OPTIONAL:
        if getattr(options.parameters, name) != getattr(defaults, name):
            yield name, f"/parameters/{name}"
    for name in INPUTS:
        if name in inputs:
            yield name, f"/{name}"


def called(engine: EngineInfo, model: ModelInfo) -> str:
    """What a client knows the model as; an engine without weights is its only model."""
    return f"{engine.name} {model.name}" if engine.takes_own_weights else engine.name


def _who_does(name: str, catalogue: Iterable[EngineInfo]) -> str:
    """``"musicgen does"``, or which of its models if not all of them do."""
    users = []
    for engine in catalogue:
        models = [model for model in engine.models if name in model.options]
        if models and len(models) == len(engine.models):
            users.append(engine.name)
        else:
            users += [called(engine, model) for model in models]
    if not users:
        return "no model does"
    named = " and ".join(filter(None, (", ".join(users[:-1]), users[-1])))
    return f"{named} {'does' if len(users) == 1 else 'do'}"
