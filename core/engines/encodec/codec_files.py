"""The files of a codec: which there are, and the codec that is in them."""

from __future__ import annotations

from pathlib import Path

from core.engines.encodec.codec import Codec, from_package, from_transformers
from core.errors import EngineUnavailable

PACKAGE_FILES = ("encodec_24khz-*.th",)
TRANSFORMERS_FILES = ("config.json", "model.safetensors")
PATTERNS = (*PACKAGE_FILES, *TRANSFORMERS_FILES)
"""The files that are wanted of the published model; pickled weights of transformers' are not."""


def weight_file(folder: Path) -> Path:
    """The file of a folder that ``load_codec`` takes the weights from. Raises ``EngineUnavailable``."""
    # each needs its own library, which the other can do without
    if files := sorted(path for pattern in PACKAGE_FILES for path in folder.glob(pattern)):
        return files[0]
    if all((folder / name).is_file() for name in TRANSFORMERS_FILES):
        return folder / TRANSFORMERS_FILES[-1]
    raise EngineUnavailable(
        f"{folder} holds no EnCodec: it needs {PACKAGE_FILES[0]}, or {' and '.join(TRANSFORMERS_FILES)}"
    )


def load_codec(folder: Path, device: str = "cpu") -> Codec:
    """The codec in a folder: a file of the encodec package, or else what transformers saved.

    Raises:
        EngineUnavailable: neither is there, a file is damaged or of another model, or its library is not installed.
    """
    file = weight_file(folder)
    if file.suffix == ".th":
        from core.engines.encodec import package_model

        codec = from_package(package_model.load_model(file))
    else:
        from core.engines.encodec import transformers_model

        codec = from_transformers(transformers_model.load_model(folder))
    codec.model.to(device)
    return codec
