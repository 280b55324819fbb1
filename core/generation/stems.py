"""What an engine is asked for, one request a stem."""

from __future__ import annotations

from core.generation.prompts import build_description
from core.generation.request import GenerationParameters
from core.jobs.model import Job
from core.ports import Recording, StemRequest


def stem_requests(
    job: Job, *, audio_prompt: Recording | None = None, melody: Recording | None = None
) -> list[StemRequest]:
    """The requests of a job, in the order of its stems."""
    parameters = GenerationParameters.model_validate(job.request["parameters"])
    return [_stem_request(stem, parameters, audio_prompt, melody) for stem in job.request["target_stems"]]


def _stem_request(
    stem: str, parameters: GenerationParameters, audio_prompt: Recording | None, melody: Recording | None
) -> StemRequest:
    chords = parameters.chord_progression
    return StemRequest(
        stem_type=stem,
        duration_seconds=parameters.duration_seconds,
        tempo_bpm=parameters.target_bpm,
        style=parameters.style,
        chords=chords,
        description=build_description(stem, parameters.style, parameters.target_bpm, chords, parameters.prompt),
        temperature=parameters.temperature,
        seed=(parameters.random_seed or 0) % 2**63,
        negative_description=parameters.negative_prompt,
        guidance_scale=parameters.guidance_scale,
        top_k=parameters.top_k,
        top_p=parameters.top_p,
        steps=parameters.steps,
        audio_prompt=audio_prompt,
        melody=melody,
    )
