"""Models and bags of models: found by name, checked, and loaded."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demucs.pretrained
import torch
import yaml
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import load_model

from core.engines.digests import digest_of_digests
from core.errors import ChecksumMismatch, EngineUnavailable, ModelNotFound

if TYPE_CHECKING:
    from core.engines.checkpoints import Checkpoint, CheckpointStore

FOLDER = "demucs"
OFFICIAL = ("htdemucs", "htdemucs_ft", "htdemucs_6s", "mdx_extra")
_OFFICIAL_BAGS = demucs.pretrained.REMOTE_ROOT
_WEIGHTS = re.compile(r"(?P<signature>[\w.]+)(-(?P<digest>[0-9a-f]{8,}))?\.th")
_ALLOWED = [HTDemucs, HDemucs, Demucs, Fraction]


@dataclass(frozen=True)
class Bag:
    """Models that are averaged, each source with weights of its own.

    Attributes:
        models: ``HTDemucs``, ``HDemucs`` or ``Demucs``, ready for inference.
        weights: of every model for every source.
        digest: SHA-256 of the weights' file; of several, the SHA-256 of their digests.
    """

    sources: tuple[str, ...]
    sample_rate: int
    models: tuple[Any, ...]
    weights: tuple[tuple[float, ...], ...]
    digest: str


def load_bag(store: CheckpointStore, name: str) -> Bag:
    """Load the bag, or the single model, of this name.

    Raises:
        ModelNotFound: no such name, or its weights are missing.
        ChecksumMismatch: the weights are not those that were pinned, or that their name promises.
        EngineUnavailable: a file that is no model of demucs.
    """
    names = store.names(FOLDER)
    definition = _definition(store, names, name)
    files = [_weights_file(names, signature, name) for signature in definition["models"]]
    checkpoints = {file: store.read(FOLDER, file) for file in files}
    digests = [checkpoints[file].sha256 for file in files]
    # a signature may stand in a bag several times: each is a model of its own, as in demucs
    models = [_model(checkpoints[file]) for file in files]
    bag = BagOfModels(models, definition.get("weights"), definition.get("segment")).eval()
    if bag.audio_channels != 2:
        raise EngineUnavailable(
            f"the model {name!r} has {bag.audio_channels} channels; only stereo models are supported"
        )
    return Bag(
        sources=tuple(bag.sources),
        sample_rate=bag.samplerate,
        models=tuple(bag.models),
        weights=tuple(tuple(map(float, weights)) for weights in bag.weights),
        digest=digest_of_digests(digests),
    )


def _definition(store: CheckpointStore, names: set[str], name: str) -> dict[str, Any]:
    """What a bag's YAML says; a signature is a bag of one."""
    if f"{name}.yaml" in names:
        definition = yaml.safe_load(store.read(FOLDER, f"{name}.yaml").content)
    elif name in _official_bags():
        definition = yaml.safe_load((_OFFICIAL_BAGS / f"{name}.yaml").read_text())
    elif name in _signatures(names):
        definition = {"models": [name]}
    else:
        known = sorted({*OFFICIAL, *(Path(file).stem for file in names if file.endswith(".yaml")), *_signatures(names)})
        raise ModelNotFound(
            f"demucs has no model {name!r}; known are {', '.join(known)}. Another needs SIGNATURE-CHECKSUM.th, "
            f"or a bag's NAME.yaml with its .th files, in MODEL_DIR/{FOLDER} or as models/{FOLDER}/… in storage"
        )
    if not isinstance(definition, dict) or not definition.get("models"):
        raise EngineUnavailable(f"{name}.yaml lists no models")
    return definition


def _official_bags() -> set[str]:
    return {file.stem for file in _OFFICIAL_BAGS.glob("*.yaml")}


def _signatures(names: set[str]) -> dict[str, list[str]]:
    """The weights' files by signature."""
    found: dict[str, list[str]] = {}
    for match in filter(None, map(_WEIGHTS.fullmatch, sorted(names))):
        found.setdefault(match["signature"], []).append(match[0])
    return found


def _weights_file(names: set[str], signature: str, name: str) -> str:
    files = _signatures(names).get(signature, [])
    if len(files) == 1:
        return files[0]
    if files:
        raise EngineUnavailable(f"{' and '.join(files)} have the same signature: delete all but one")
    address = demucs.pretrained._parse_remote_files(_OFFICIAL_BAGS / "files.txt").get(signature)
    file = address.rpartition("/")[2] if address else f"{signature}-CHECKSUM.th"
    raise ModelNotFound(
        f"the model {name!r} needs {file}: put it into MODEL_DIR/{FOLDER}, or into storage as models/{FOLDER}/{file}"
        + (f"; its authors offer it at {address}" if address else "")
    )


def _model(checkpoint: Checkpoint) -> Any:
    _check_name(checkpoint)
    try:
        return load_model(_package(checkpoint))  # type: ignore[no-untyped-call] # demucs.states has no annotations
    except (
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        RuntimeError,
        TypeError,
        SystemExit,
    ) as error:  # fatal() of demucs exits
        raise EngineUnavailable(f"{checkpoint.name} cannot be loaded as a model of demucs: {error}") from error


def _check_name(checkpoint: Checkpoint) -> None:
    """demucs' own rule: what follows the last dash of a file's name is the start of its SHA-256."""
    match = _WEIGHTS.fullmatch(checkpoint.name)
    promised = match["digest"] or "" if match else ""
    if not checkpoint.sha256.startswith(promised):
        raise ChecksumMismatch(
            f"{checkpoint.name}: by its name its SHA-256 should start with {promised}, it is {checkpoint.sha256}"
        )


def _package(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the file holds. It is a pickle, which can run any code: only a file pinned in full is trusted that far."""
    package: dict[str, Any]
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            package = torch.load(io.BytesIO(checkpoint.content), "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not checkpoint.pinned:
            raise EngineUnavailable(
                f"{checkpoint.name} holds more than a model's weights and settings; if you trust it, add "
                f"{checkpoint.name}={checkpoint.sha256} to MODEL_CHECKSUMS"
            ) from error
        package = torch.load(io.BytesIO(checkpoint.content), "cpu", weights_only=False)
    return package
