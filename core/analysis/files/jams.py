"""What was found as JAMS, the JSON Annotated Music Specification for music information retrieval.

Humphrey et al. (2014), *JAMS: a JSON annotated music specification for reproducible MIR research* (ISMIR); the
namespaces as in version 0.3 of its schema (https://jams.readthedocs.io).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core import __version__
from core.analysis.result import NO_CHORD, Analysis, ChordSpan, KeySpan, Section

_JAMS_VERSION = "0.3.5"

Observation = dict[str, Any]


def jams_document(analysis: Analysis, title: str) -> dict[str, Any]:
    """The document: beats, tempo, keys, chords and sections as annotations, and the rest in its sandbox."""
    duration_seconds = analysis.duration_seconds
    return {
        "file_metadata": {
            "title": title,
            "artist": "",
            "release": "",
            "duration": duration_seconds,
            "identifiers": {},
            "jams_version": _JAMS_VERSION,
        },
        "annotations": [
            _annotation(namespace, observations, duration_seconds)
            for namespace, observations in (
                ("beat", _beats(analysis)),
                ("tempo", _tempo(analysis)),
                ("key_mode", _keys(analysis)),
                ("chord", _spans((span, span.label) for span in analysis.chords)),
                ("segment_open", _spans((span, span.label) for span in analysis.sections)),
            )
        ],
        "sandbox": {
            "tuning": analysis.tuning.model_dump(),
            "loudness": analysis.loudness.model_dump(),
            "spectral_features": {name: found.model_dump() for name, found in analysis.spectral_features.items()},
        },
    }


def _annotation(namespace: str, observations: list[Observation], duration_seconds: float) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "annotation_metadata": {
            "curator": {"name": "", "email": ""},
            "annotator": {},
            "version": __version__,
            "corpus": "",
            "annotation_tools": f"Stemworks {__version__}",
            "annotation_rules": "",
            "validation": "",
            "data_source": "program",
        },
        "data": observations,
        "sandbox": {},
        "time": 0.0,
        "duration": duration_seconds,
    }


def _observation(start_seconds: float, end_seconds: float, value: object, confidence: float) -> Observation:
    duration = round(end_seconds - start_seconds, 6)
    return {"time": start_seconds, "duration": duration, "value": value, "confidence": confidence}


def _beats(analysis: Analysis) -> list[Observation]:
    confidence = analysis.tempo.confidence
    return [
        _observation(beat.time_seconds, beat.time_seconds, beat.position or None, confidence) for beat in analysis.beats
    ]


def _tempo(analysis: Analysis) -> list[Observation]:
    tempo = analysis.tempo
    return [_observation(0.0, analysis.duration_seconds, tempo.bpm, tempo.confidence)] if tempo.bpm is not None else []


def _keys(analysis: Analysis) -> list[Observation]:
    """``N`` throughout where nothing is in a key."""
    if not analysis.key.spans:
        return [_observation(0.0, analysis.duration_seconds, NO_CHORD, analysis.key.confidence)]
    return _spans((span, f"{span.tonic}:{span.mode}") for span in analysis.key.spans)


def _spans(spans: Iterable[tuple[ChordSpan | KeySpan | Section, str]]) -> list[Observation]:
    return [_observation(span.start_seconds, span.end_seconds, value, span.confidence) for span, value in spans]
