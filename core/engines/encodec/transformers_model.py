"""EnCodec as transformers keeps it: ``config.json`` and ``model.safetensors``; never a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import EngineUnavailable


def load_model(folder: Path) -> Any:
    """``transformers.EncodecModel`` of a folder.

    Raises:
        EngineUnavailable: a file is damaged or incomplete, holds another kind of model, or transformers is missing.
    """
    try:
        from safetensors import SafetensorError
        from transformers import AutoConfig, EncodecConfig, EncodecModel
        from transformers.utils import logging
    except ImportError as error:
        raise EngineUnavailable(f"transformers is not installed here ({error.name}): run make setup-gpu") from error

    encodec: Any = EncodecModel  # its annotations know of no report
    logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers has no types for it
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if not isinstance(config, EncodecConfig):
            raise EngineUnavailable(f"{folder} holds a model of the type {config.model_type!r}, which is no EnCodec")
        model, report = encodec.from_pretrained(
            folder, config=config, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise EngineUnavailable(
            f"{folder} holds no EnCodec that can be loaded ({type(error).__name__}: {reason}): fetch its files again"
        ) from error
    # what a file lacks would be drawn at random
    if absent := sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]])):
        raise EngineUnavailable(f"{folder} lacks weights, of them {absent[0]}: fetch its files again")
    return model
