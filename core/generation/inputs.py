"""What a generation may bring along: an audio prompt to go on from, a melody to follow."""

from __future__ import annotations

from core.files.inputs import Input
from core.jobs.model import Job

AUDIO_PROMPT, MELODY = "audio_prompt", "melody"
INPUTS = (AUDIO_PROMPT, MELODY)
"""The names of the fields, of the form's files, and of the models' options."""


def inputs_of(job: Job) -> dict[str, Input]:
    """What came with the job's request, by name."""
    return {name: Input.model_validate(job.request[name]) for name in INPUTS if job.request.get(name)}
