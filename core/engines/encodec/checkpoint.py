"""Checkpoints of the cascade: a dictionary that torch has saved, read without running what a file may hold.

``model_state_dict`` holds the tensors by their names, ``args`` the words of the command that trained it, of which
``nhead`` and ``dropout`` are needed and the others told by the tensors themselves: there are files whose
``num_transformer_layers`` says 3 and that hold two stages. Whatever else is there is passed over.
"""

from __future__ import annotations

import io
import os
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from core.engines.digests import replacing
from core.engines.encodec.cascade import Cascade, CascadeShape
from core.errors import EngineUnavailable, WeightsMismatch

FILE = "best_model.pt"
"""What a checkpoint is called in a model's folder."""

_LAYER = re.compile(r"(?:cascade_stages\.\d+\.)?transformer\.layers\.(\d+)\.")
_STAGE = re.compile(r"cascade_stages\.(\d+)\.")
_WIDTH = re.compile(r"(?:cascade_stages\.\d+\.)?output_proj\.bias")
_MOST_NAMED = 5
_SIGNS_OF_DAMAGE = (AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def load_cascade(source: Path | bytes, dimension: int | None = None) -> Cascade:
    """The model of a checkpoint, on the CPU in float32, in the mode for training.

    Args:
        source: a file, or its content.
        dimension: of the codec's latents, which the model's must be; ``None`` takes any.

    Raises:
        WeightsMismatch: it is no checkpoint of a cascade, or one of another shape; the detail says what differs.
        EngineUnavailable: it cannot be read, would run code, or holds numbers that are none.
    """
    checkpoint, label = read_checkpoint(source), _label(source)
    state = _state(checkpoint, label)
    shape = _shape(state, checkpoint.get("args"), label)
    if dimension is not None and shape.encoding_dim != dimension:
        raise WeightsMismatch(
            f"{label}: its encoding_dim is {shape.encoding_dim}, the codec's latents have {dimension} channels"
        )
    with torch.device("meta"):  # shapes alone; the file's tensors become the model's
        cascade = Cascade(shape)
    check_fit(cascade.state_dict(), state, label)
    cascade.load_state_dict(state, assign=True)
    return cascade.float()


def save_cascade(path: Path, cascade: Cascade, **more: Any) -> None:
    """Write a checkpoint whole or not at all; ``more`` is kept beside the model, such as ``epoch`` and ``val_loss``.

    Raises:
        ValueError: the model was folded, and what made its weights is gone.
    """
    state = cascade.state_dict()
    if not any(name.endswith("output_proj.weight_orig") for name in state):
        raise ValueError("a folded cascade cannot be saved")
    for name in state:
        state[name] = state[name].cpu()
    shape = cascade.shape
    args = {
        "encoding_dim": shape.encoding_dim,
        "nhead": shape.heads,
        "num_layers": shape.layers,
        "num_transformer_layers": shape.stages,
        "dropout": shape.dropout,
    }
    write_checkpoint(path, {**more, "model_state_dict": state, "args": args})


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write what ``read_checkpoint`` reads: whole or not at all, also where the power is cut. Raises ``OSError``.

    Everybody may read it, as it is to be copied to where a worker runs as somebody else.
    """
    try:
        with replacing(path) as file:
            torch.save(content, file)
            file.flush()
            os.chmod(file.name, 0o644)  # noqa: PTH101 - the open file has a name and no path
            os.fsync(file.fileno())  # or the name could change hands before the bytes are there
    except (OSError, RuntimeError) as error:
        failed = error if isinstance(error, OSError) else error.__context__  # torch tells of its archive instead
        if isinstance(failed, OSError):
            raise OSError(failed.errno, failed.strerror, str(path)) from error
        raise


def read_checkpoint(source: Path | bytes) -> dict[str, Any]:
    """All that a checkpoint holds: tensors, numbers, text and collections of them; anything else is not loaded.

    Raises:
        EngineUnavailable: it cannot be read, or would run code.
        WeightsMismatch: it holds no dictionary.
    """
    label = _label(source)
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise EngineUnavailable(
            f"{label} is no file of torch's, or holds more than tensors, numbers and text{_refused(error)}; it is not "
            "loaded, for that might run code: put one in its place that holds these alone"
        ) from error
    except _SIGNS_OF_DAMAGE as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:300]
        raise EngineUnavailable(
            f"{label} cannot be read as a file of torch's ({reason}): put a whole copy in its place"
        ) from error
    if not isinstance(checkpoint, dict):
        raise WeightsMismatch(f"{label} is no checkpoint: it holds a {type(checkpoint).__name__}, no dictionary")
    return checkpoint


def _label(source: Path | bytes) -> str:
    return "the checkpoint" if isinstance(source, bytes) else str(source)


def _refused(error: Exception) -> str:
    """What torch says that it would have had to call, if it says so."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({named[1]})" if named else ""


def _state(checkpoint: Mapping[str, Any], label: str) -> dict[str, Tensor]:
    """The tensors by their names, each of finite numbers with a point."""
    state = checkpoint.get("model_state_dict")
    if not is_state(state):
        found = _listed(sorted(map(str, checkpoint)))
        raise WeightsMismatch(f"{label} has no model_state_dict with tensors by their names; it has {found}")
    for name, values in state.items():
        if not values.is_floating_point():
            raise WeightsMismatch(f"{label}: {name} holds {values.dtype}, numbers with a point are needed")
        if not values.isfinite().all():
            raise EngineUnavailable(
                f"{label} is damaged: {name} holds values that are no numbers; put a whole copy in its place"
            )
    return state


def _shape(state: Mapping[str, Tensor], args: object, label: str) -> CascadeShape:
    """What the tensors are of, as far as they tell; the rest from the command that trained them."""
    default, given = CascadeShape(), args if isinstance(args, dict) else {}
    width = next((values.shape[0] for name, values in state.items() if _WIDTH.fullmatch(name) and values.ndim), None)
    encoding_dim = width or default.encoding_dim
    heads, dropout = given.get("nhead", default.heads), given.get("dropout", default.dropout)
    if not isinstance(heads, int) or heads < 1 or encoding_dim % heads:
        raise WeightsMismatch(f"{label}: its nhead is {heads!r}, which does not divide its encoding_dim {encoding_dim}")
    if not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
        raise WeightsMismatch(f"{label}: its dropout is {dropout!r}, which is not between 0 and 1")
    return CascadeShape(
        encoding_dim, heads, _count(_LAYER, state) or default.layers, _count(_STAGE, state) or 1, float(dropout)
    )


def _count(pattern: re.Pattern[str], names: Iterable[str]) -> int:
    return len({match[1] for match in map(pattern.match, names) if match})


def is_state(value: object) -> TypeGuard[dict[str, Tensor]]:
    """Whether it is tensors by their names."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items()
    )


def check_fit(needed: Mapping[str, Tensor], state: Mapping[str, Tensor], label: str) -> None:
    """Refuse what is not, name by name and shape by shape, what the model has. Raises ``WeightsMismatch``."""
    differences = {
        "missing": [name for name in needed if name not in state],
        "unexpected": [name for name in state if name not in needed],
        "of another shape": [
            f"{name} is {list(state[name].shape)}, {list(values.shape)} is needed"
            for name, values in needed.items()
            if name in state and state[name].shape != values.shape
        ],
    }
    if any(differences.values()):
        told = "; ".join(f"{kind}: {_listed(names)}" for kind, names in differences.items() if names)
        raise WeightsMismatch(f"{label} does not fit. {told}")


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "") or "nothing"
