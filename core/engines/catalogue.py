"""What is known of each engine before it is loaded; reading this imports no engine, and no numpy."""

from __future__ import annotations

from core.ports import EngineInfo, ModelInfo

_SEVEN = ("drums", "bass", "guitar", "vocals", "piano", "synth", "other")
_FOUR = ("drums", "bass", "other", "vocals")
_SIX = (*_FOUR, "guitar", "piano")

SYNTH = EngineInfo(
    name="synth",
    version="1",
    tasks=("generation",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="synth",
            loader="numpy",
            sample_rate=44100,
            channels=2,
            longest_seconds=600,
            stems=_SEVEN,
            commercial_use=True,
            seconds_per_audio_second=1 / 200,  # above what bench/synth.py measures with a stem's file and levels
        ),
    ),
)


_SMALL_MILLION = 420
_SMALL_SECONDS = 3.0
"""For a stem of four made together: about what bench/musicgen.py measures in float32 on one thread. Larger models take
as much longer as they have more weights to read; a GPU needs far less."""


def _musicgen(name: str, weights: str, parameters_million: int, channels: int = 1, melody: bool = False) -> ModelInfo:
    """A model of Meta's; its size is that of its parameters in float32, of its codec and of T5 base."""
    options = ("prompt", "temperature", "guidance_scale", "top_k", "top_p", "audio_prompt")
    return ModelInfo(
        name=name,
        loader="audiocraft or transformers",
        sample_rate=32000,
        channels=channels,
        longest_seconds=600,
        stems=_SEVEN,
        commercial_use=False,
        options=(*options, "melody") if melody else options,
        memory_bytes=(parameters_million + 170) * 4 * 1_000_000,
        weights=weights,
        weights_licence="CC-BY-NC-4.0",
        seconds_per_audio_second=_SMALL_SECONDS * parameters_million / _SMALL_MILLION,
    )


MUSICGEN = EngineInfo(
    name="musicgen",
    version="1",
    tasks=("generation", "sound"),
    hardware="gpu",
    licence="MIT",
    models=(
        _musicgen("small", "facebook/musicgen-small", _SMALL_MILLION),
        _musicgen("medium", "facebook/musicgen-medium", 1500),
        _musicgen("large", "facebook/musicgen-large", 3300),
        _musicgen("stereo-small", "facebook/musicgen-stereo-small", 440, channels=2),
        _musicgen("stereo-medium", "facebook/musicgen-stereo-medium", 1500, channels=2),
        _musicgen("stereo-large", "facebook/musicgen-stereo-large", 3300, channels=2),
        _musicgen("melody", "facebook/musicgen-melody", 1500, melody=True),
        _musicgen("stereo-melody", "facebook/musicgen-stereo-melody", 1500, channels=2, melody=True),
    ),
)

STABLE_AUDIO = EngineInfo(
    name="stable_audio",
    version="1",
    tasks=("generation",),
    hardware="gpu",
    licence="Apache-2.0",
    models=(
        ModelInfo(
            name="open-1.0",
            loader="diffusers",
            sample_rate=44100,
            channels=2,
            longest_seconds=47,
            stems=_SEVEN,
            commercial_use=False,  # free below a revenue of a million dollars a year; above it a contract is needed
            options=("prompt", "negative_prompt", "guidance_scale", "steps"),
            memory_bytes=1_320_000_000 * 4,
            weights="stabilityai/stable-audio-open-1.0",
            weights_licence="Stability AI Community License",
            steps=100,
            seconds_per_step=20.0,  # of the released shape with random weights in float32 on two cores
        ),
    ),
)

SPECTRAL = EngineInfo(
    name="spectral",
    version="1",
    tasks=("separation",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="spectral",
            loader="numpy",
            sample_rate=None,
            channels=2,
            longest_seconds=None,
            stems=_FOUR,
            commercial_use=True,
            seconds_per_audio_second=1 / 30,  # half of what bench/spectral.py measures: decoding and files are extra
        ),
    ),
)


def _demucs(name: str, parameters_million: int, stems: tuple[str, ...] = _FOUR) -> ModelInfo:
    return ModelInfo(
        name=name,
        loader="demucs",
        sample_rate=44100,
        channels=2,
        longest_seconds=None,
        stems=stems,
        commercial_use=False,
        options=("shifts", "overlap"),
        memory_bytes=parameters_million * 4 * 1_000_000,
        weights=name,
        weights_licence="research only",
        seconds_per_audio_second=0.5,  # above what bench/demucs.py measures in float32; a GPU needs less
    )


DEMUCS = EngineInfo(
    name="demucs",
    version="4.1.0",
    tasks=("separation",),
    hardware="gpu",
    licence="MIT",
    models=(
        _demucs("htdemucs", 42),
        _demucs("htdemucs_ft", 4 * 42),
        _demucs("htdemucs_6s", 27, _SIX),
        _demucs("mdx_extra", 4 * 83),
    ),
)

PLUCKED_STRING = EngineInfo(
    name="plucked_string",
    version="1",
    tasks=("sound",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="plucked_string",
            loader="numpy",
            sample_rate=44100,
            channels=2,
            longest_seconds=30,
            stems=(),
            commercial_use=True,
            seconds_per_audio_second=1 / 50,  # above what bench/sounds.py measures with a note's file and levels
        ),
    ),
)

EFFECTS = EngineInfo(
    name="effects",
    version="1",
    tasks=("effects",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="effects",
            loader="av",
            sample_rate=None,
            channels=2,
            longest_seconds=None,
            stems=(),
            commercial_use=True,
            seconds_per_audio_second=1 / 20,  # above what bench/effects.py measures with decoding and the file
        ),
    ),
)

ANALYSIS = EngineInfo(
    name="analysis",
    version="1",
    tasks=("analysis",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="analysis",
            loader="numpy",
            sample_rate=None,
            channels=2,
            longest_seconds=None,
            stems=(),
            commercial_use=True,
            seconds_per_audio_second=1 / 50,  # above what bench/analysis.py measures with decoding and the files
        ),
    ),
)

MORPH = EngineInfo(
    name="morph",
    version="1",
    tasks=("bridge",),
    hardware="cpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="morph",
            loader="numpy",
            sample_rate=None,
            channels=2,
            longest_seconds=None,
            stems=(),
            commercial_use=True,
            seconds_per_audio_second=1 / 60,  # for each ratio and channel; above what bench/morph.py measures
        ),
    ),
)

ENCODEC = EngineInfo(
    name="encodec",
    version="1",
    tasks=("bridge",),
    hardware="gpu",
    licence="MIT",
    models=(
        ModelInfo(
            name="cascade",
            loader="encodec or transformers",
            sample_rate=24000,
            channels=1,
            longest_seconds=None,
            stems=(),
            commercial_use=False,  # because of the codec's weights; the bridge's own are the operator's
            memory_bytes=120_000_000,
            weights=None,
            weights_licence="CC-BY-NC-4.0",
            seconds_per_audio_second=0.5,  # for each ratio and channel; above what bench/encodec.py measures
        ),
    ),
)

CATALOGUE = (SYNTH, MUSICGEN, STABLE_AUDIO, SPECTRAL, DEMUCS, PLUCKED_STRING, EFFECTS, ANALYSIS, MORPH, ENCODEC)
