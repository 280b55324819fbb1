"""What a job's stems were made by, so that they can be made again, or doubted."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from core.files.inputs import Input
from core.jobs.model import Model, Output
from core.ports import EngineInfo, ModelInfo, Renderer


class Maker(Model):
    """What made a stem.

    Attributes:
        weights_sha256: ``None`` if the model has none.
        sample_rate: Hz, of the model itself.
        channels: of the model itself.
        compute: in what and on what the model computed, which decides how it rounds.
        libraries: the versions of those that load and run the model: torch runs all that have weights.
    """

    engine: str
    engine_version: str
    model: str
    weights_sha256: str | None
    sample_rate: int
    channels: int
    compute: str | None
    libraries: dict[str, str]

    @classmethod
    def of(cls, engine: EngineInfo, model: ModelInfo, renderer: Renderer) -> Maker:
        """What makes the stems in this process."""
        return cls(
            engine=engine.name,
            engine_version=engine.version,
            model=model.name,
            weights_sha256=renderer.weights,
            sample_rate=renderer.sample_rate,
            channels=renderer.channels,
            compute=renderer.compute,
            libraries=library_versions(f"{model.loader} or torch" if engine.takes_own_weights else model.loader),
        )


class FinishedStem(Model):
    """A stem that is in storage; ``gain_db`` is what all of the model's samples were raised by."""

    output: Output
    gain_db: float
    maker: Maker


def library_versions(loader: str) -> dict[str, str]:
    """The version of each library that ``loader`` names, as in ``"audiocraft or transformers"``, if it is installed."""
    found = {}
    for name in loader.split(" or "):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def receipt(stems: list[FinishedStem], random_seed: int, inputs: dict[str, Input]) -> dict[str, Any]:
    """The result of a job whose stems have one maker; of ``inputs``, the SHA-256 as far as it is known."""
    levels = {
        stem.output.stem_type: {
            "gain_db": round(stem.gain_db, 3),
            "loudness_lufs": stem.output.loudness_lufs,
            "true_peak_dbtp": stem.output.true_peak_dbtp,
        }
        for stem in stems
    }
    heard = {f"{name}_sha256": entry.source.sha256 for name, entry in inputs.items()}
    return {"random_seed": random_seed, **stems[0].maker.model_dump(), **heard, "stems": levels}
