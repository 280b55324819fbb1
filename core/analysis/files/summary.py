"""The little that a job's answer says of an analysis."""

from __future__ import annotations

from typing import Any

from core.analysis.result import Analysis

_FIRST_CHORDS = 16
_MOST_SECTIONS = 64


def summary(analysis: Analysis) -> dict[str, Any]:
    """Less than 4 kB, however long the file is. ``sections`` is the form, such as ``ABAB``."""
    key, tempo = analysis.key, analysis.tempo
    return {
        "duration_seconds": analysis.duration_seconds,
        "tempo_bpm": tempo.bpm,
        "tempo_confidence": tempo.confidence,
        "beats_per_bar": tempo.beats_per_bar,
        "beats": len(analysis.beats),
        "key": f"{key.tonic} {key.mode}" if key.tonic and key.mode else None,
        "key_confidence": key.confidence,
        "tuning_hz": analysis.tuning.reference_hz,
        "tuning_cents": analysis.tuning.offset_cents,
        "chords": len(analysis.chords),
        "first_chords": [span.symbol for span in analysis.chords[:_FIRST_CHORDS]],
        "sections": _form([section.label for section in analysis.sections]),
        **analysis.loudness.model_dump(),
    }


def _form(labels: list[str]) -> str:
    """Labels run together as long as each is a letter; of very many the first."""
    separator = "" if all(len(label) == 1 for label in labels) else " "
    form = separator.join(labels[:_MOST_SECTIONS])
    return f"{form} …" if len(labels) > _MOST_SECTIONS else form
