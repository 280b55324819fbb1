"""Audio that a request brings along: an audio prompt to go on from, a melody to follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import AudioError
from core.files.source import Source
from core.files.upload import UploadedAudio
from core.jobs.model import Job, Model

AUDIO_PROMPT, MELODY = "audio_prompt", "melody"
INPUTS = (AUDIO_PROMPT, MELODY)
"""The names of the fields, of the form's files, and of the models' options."""


class Input(Model):
    """A file that was looked at before the job was queued.

    Attributes:
        source: the very version that was accepted.
        longest_seconds: the most that was taken then; a file need not say how long it is.
    """

    source: Source
    audio: UploadedAudio
    longest_seconds: float


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Has an ``AudioError`` say which of a request's files cannot be used: they may be called the same."""
    try:
        yield
    except AudioError as error:
        raise type(error)(f"{name}: {error.detail}") from error


def inputs_of(job: Job) -> dict[str, Input]:
    """What came with the job's request, by name."""
    return {name: Input.model_validate(job.request[name]) for name in INPUTS if job.request.get(name)}
