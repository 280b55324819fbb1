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
    licence="MIT",
    weights=None,
    weights_licence=None,
    commercial_use=True,
    seconds_per_audio_second=1 / 300,  # what bench/synth.py asks of every stem
)
