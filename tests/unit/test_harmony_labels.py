"""How chords are written, for programs and for players."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from core.analysis.harmony.chord_model import ChordModel
from core.analysis.harmony.labels import QUALITIES, HeardChord, Quality, harte_label, symbol_of
from core.theory.chords import parse_chord
from core.theory.keys import Key, key_on

MAJOR, MINOR, DIMINISHED = (
    next(quality for quality in QUALITIES if quality.name == name) for name in ("maj", "min", "dim")
)


@pytest.mark.parametrize("quality", QUALITIES, ids=lambda quality: quality.name)
def test_labels_and_symbols_mean_the_same_notes_in_every_key(quality: Quality) -> None:
    for root in range(12):
        chord = HeardChord(root, quality)
        for key in (None, *(key_on(tonic, mode) for tonic in range(12) for mode in ("major", "minor"))):
            assert parse_chord(symbol_of(chord, key)).pitch_classes == chord.pitch_classes
            number, bitmap, _ = mir_eval.chord.encode(harte_label(chord, key))
            assert {(number + step) % 12 for step in np.flatnonzero(bitmap)} == set(chord.pitch_classes)


@pytest.mark.parametrize(
    ("root", "quality", "key", "label", "symbol"),
    [
        (6, MAJOR, None, "F#:maj", "F#"),
        (10, MAJOR, Key("F"), "Bb:maj", "Bb"),
        (10, MAJOR, Key("B"), "A#:maj", "A#"),
        (1, MINOR, Key("Ab"), "Db:min", "Dbm"),
        (1, MINOR, Key("A"), "C#:min", "C#m"),
        (1, DIMINISHED, Key("D", "minor"), "C#:dim", "C#dim"),
    ],
)
def test_roots_are_spelled_as_the_key_has_them(
    root: int, quality: Quality, key: Key | None, label: str, symbol: str
) -> None:
    chord = HeardChord(root, quality)
    assert (harte_label(chord, key), symbol_of(chord, key)) == (label, symbol)


def test_no_chord_is_n() -> None:
    assert (harte_label(None), symbol_of(None, Key("C"))) == ("N", "N")


def test_the_model_has_every_chord_once_and_no_chord_first() -> None:
    model = ChordModel()
    assert len(model) == len(set(model.labels)) == 1 + 12 * len(QUALITIES)
    assert model.labels[0] == model.label(0) == model.symbol(0) == "N"
    assert np.allclose(model.transitions().sum(axis=1), 1)
    assert model.starts.argmax() == 0
