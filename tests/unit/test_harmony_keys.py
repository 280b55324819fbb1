"""Keys, measured with mir_eval in all of the twelve, and modulations."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from core.analysis.harmony.keys import key_at
from core.analysis.result import KeyFound
from core.theory.keys import Key, key_on
from core.theory.notation import parse_progression
from tests.music import band, guitar
from tests.unit.test_harmony import STYLES, mono, understood

PROGRESSIONS = {
    "major": ("I V vi IV", "ii7 V7 Imaj7 Imaj7", "I IV V I", "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "I vi IV V"),
    "minor": ("i VI III VII", "i iv V7 i", "i VII VI V", "ii° V7 i i", "i7 i7 i7 i7 iv7 iv7 i7 i7 VI7 V7 i7 V7"),
}


@pytest.mark.parametrize("mode", ["major", "minor"])
def test_finds_the_key_of_usual_progressions_in_all_keys(mode: str) -> None:
    scores, confidences = [], []
    for tonic in range(12):
        key = key_on(tonic, "major" if mode == "major" else "minor")
        for index in (tonic % 5, (tonic + 2) % 5):
            found = key_of(in_key(PROGRESSIONS[mode][index], key), played_by_band=bool(index % 2), tonic=tonic)
            scores.append(mir_eval.key.weighted_score(mir_name(key), f"{found.tonic} {found.mode}".replace("Cb", "B")))
            confidences.append(found.confidence)
    assert np.mean(scores) >= 0.9
    assert np.mean(confidences) >= 0.5


def mir_name(key: Key) -> str:
    return key.name.replace("Cb", "B")


def in_key(numerals: str, key: Key) -> tuple[str, ...]:
    return tuple(chord.symbol for chord in parse_progression(numerals.split(), key))


def key_of(chords: tuple[str, ...], played_by_band: bool, tonic: int) -> KeyFound:
    bars = max(8, len(chords))
    if not played_by_band:
        return understood(mono(guitar(chords, 140, bars=bars)))[1]
    parts = ("drums", "bass", "guitar", "piano", "vocals")
    return understood(mono(band(chords, 140, bars * 240 / 140, parts, STYLES[tonic % 5], seed=tonic)))[1]


def test_a_modulation_is_found_where_it_happens() -> None:
    verse, chorus = ("C", "G", "Am", "F"), ("D", "A", "Bm", "G")
    music = band((*verse, *verse, *chorus, *chorus), 120, 32)
    _, key = understood(mono(music))
    assert [(span.tonic, span.mode) for span in key.spans] == [("C", "major"), ("D", "major")]
    assert key.spans[1].start_seconds == pytest.approx(16, abs=2.1)
    assert (key.spans[0].start_seconds, key.spans[1].end_seconds) == (0, 32)
    assert key_at(key, 1.0) == Key("C")
    assert key_at(key, 31.0) == Key("D")


def test_one_loop_is_one_key_however_long() -> None:
    _, key = understood(mono(band(("C", "G", "Am", "F"), 120, 60)))
    assert [(span.start_seconds, span.end_seconds, span.tonic) for span in key.spans] == [(0, 60, "C")]
