"""The hub: models by the names under which they were published, in the cache that all its users on a machine share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import EngineUnavailable, HubUnavailable, ModelNotFound

_SILENCE_SECONDS = 10.0
"""After which a hub that says nothing is taken for one that cannot be reached."""

_USER = "stemworks"


def download(repository: str, patterns: Sequence[str]) -> Path:
    """The files of a published model that match ``patterns``, as a folder; those of them that are missing are fetched.

    ``HF_HUB_OFFLINE=1`` keeps it off the network, ``HF_TOKEN`` opens what is gated, ``HF_HOME`` moves the cache.

    Raises:
        ModelNotFound: the hub has no such model, or does not show it to us.
        HubUnavailable: the hub does not answer.
        EngineUnavailable: what asks it is not installed.
    """
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError as error:
        raise EngineUnavailable(f"the hub needs the package huggingface_hub: {error}") from error
    try:
        silent = _is_silent(repository)
        return Path(
            snapshot_download(repository, allow_patterns=list(patterns), local_files_only=silent, library_name=_USER)
        )
    except errors.HFValidationError as error:
        raise ModelNotFound(f"{repository!r} is no name of a model on the hub") from error
    except (OSError, errors.HTTPError) as error:  # type: ignore[attr-defined] # its base class, named there alone
        raise _refusal(repository, error) from error


def _is_silent(repository: str) -> bool:
    """Whether the hub takes a question and does not answer; ``snapshot_download`` would wait for it without end."""
    from huggingface_hub import HfApi, errors

    try:
        HfApi(library_name=_USER).model_info(repository, timeout=_SILENCE_SECONDS)
    except (OSError, errors.HTTPError) as error:  # type: ignore[attr-defined] # as above
        return type(error).__name__.endswith("Timeout")  # all else comes again, and is told
    return False


def _refusal(repository: str, error: Exception) -> EngineUnavailable:
    """What to tell the operator; a snapshot that cannot be had hides its reason behind the missing local copy."""
    from huggingface_hub import errors, is_offline_mode

    if is_offline_mode():
        return ModelNotFound(f"HF_HUB_OFFLINE is set and the cache has no copy of {repository}: unset it to fetch one")
    reason = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    status = reason.response.status_code if isinstance(reason, errors.HfHubHTTPError) else None
    if isinstance(reason, errors.GatedRepoError) or status == 403:
        return ModelNotFound(
            f"{repository} is gated: accept its licence on its page of the hub, and set HF_TOKEN to a token of the "
            f"account that did"
        )
    if status in (401, 404):
        return ModelNotFound(
            f"the hub shows no {repository}: check its name; if it is private or gated, accept its licence there and "
            f"set HF_TOKEN"
        )
    if status is None:
        silent = isinstance(reason, errors.LocalEntryNotFoundError)  # it was not asked a second time
        why = "it does not answer" if silent else f"{type(reason).__name__}: {reason}"
        return ModelNotFound(f"the hub cannot be reached to fetch {repository} ({why})")
    return HubUnavailable(f"{repository} could not be fetched from the hub, it answered {status}")
