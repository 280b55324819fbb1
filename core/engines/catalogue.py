"""What is known of each engine before it is loaded; reading this imports no engine, and no numpy."""

from __future__ import annotations

from core.ports import EngineInfo

SYNTH = EngineInfo(
    name="synth",
    version="1",
    task="generation",
    hardware="cpu",
    sample_rate=44100,
    channels=2,
    longest_seconds=600,
    stems=("drums", "bass", "guitar", "vocals", "piano", "synth", "other"),
    licence="MIT",
    weights=None,
    weights_licence=None,
    commercial_use=True,
    seconds_per_audio_second=1 / 300,  # what bench/synth.py asks of every stem
)

_FOUR = ("drums", "bass", "other", "vocals")

SPECTRAL = EngineInfo(
    name="spectral",
    version="1",
    task="separation",
    hardware="cpu",
    sample_rate=None,
    channels=2,
    longest_seconds=None,
    stems=_FOUR,
    licence="MIT",
    weights=None,
    weights_licence=None,
    commercial_use=True,
    seconds_per_audio_second=1 / 30,  # half of what bench/spectral.py asks of the engine: decoding and files are extra
)

DEMUCS = EngineInfo(
    name="demucs",
    version="4.1.0",
    task="separation",
    hardware="gpu",
    sample_rate=44100,
    channels=2,
    longest_seconds=None,
    stems=_FOUR,
    licence="MIT",
    weights="htdemucs",
    weights_licence="research only",
    commercial_use=False,
    seconds_per_audio_second=0.5,  # above what bench/demucs.py measures in float32 on two cores; a GPU needs far less
    models={
        "htdemucs": _FOUR,
        "htdemucs_ft": _FOUR,
        "htdemucs_6s": ("drums", "bass", "other", "vocals", "guitar", "piano"),
        "mdx_extra": _FOUR,
    },
)
