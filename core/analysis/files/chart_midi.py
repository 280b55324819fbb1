"""Chords and beats as a MIDI file whose bars lie on the music, for a sequencer that has the audio beside it."""

from __future__ import annotations

from collections.abc import Iterator

from core.analysis.files.beat_grid import TICKS_PER_QUARTER, BeatGrid
from core.analysis.result import NO_CHORD, Analysis, KeySpan
from core.audio import midi
from core.theory.chords import Chord, parse_chord
from core.theory.keys import Key, fifths_of, key_on

_PIANO = 0
_LOWEST_BASS = 36
_LOWEST_TONE = 55
"""C2 and G3: the bass within the octave above the one, the other tones above the other, which moves them little."""

_CHORD_VELOCITY = 72
_HIGH_WOOD_BLOCK, _LOW_WOOD_BLOCK = 76, 77
_DOWNBEAT_VELOCITY, _BEAT_VELOCITY = 110, 80
_MOST_ACCIDENTALS = 7


def chart_midi(analysis: Analysis) -> bytes:
    """A file of format 1: tempo, bars, keys and sections; the chords as piano and in words; the beats as wood blocks.

    Every time is within a tick of its own. About 25 bytes a beat.
    """
    grid = BeatGrid(analysis.beats, analysis.tempo.beats_per_bar)
    tracks = (_conductor(analysis, grid), _chords(analysis, grid), _beats(analysis, grid))
    return midi.midi_file(tracks, grid.ticks(analysis.duration_seconds), TICKS_PER_QUARTER)


def voicing(chord: Chord) -> list[int]:
    """Pitches from the bass up."""
    bass = _LOWEST_BASS + (chord.bass - _LOWEST_BASS) % 12
    return [bass, *sorted({_LOWEST_TONE + (tone - _LOWEST_TONE) % 12 for tone in chord.pitch_classes})]


def _conductor(analysis: Analysis, grid: BeatGrid) -> Iterator[midi.Event]:
    yield 0, midi.track_name("Tempo, keys and sections")
    for ticks, quarter_seconds in grid.tempos():
        yield ticks, midi.tempo(quarter_seconds)
    for ticks, quarters in grid.bars():
        yield ticks, midi.time_signature(quarters)
    for span in analysis.key.spans:
        yield grid.ticks(span.start_seconds), _signature(span)
    for section in analysis.sections:
        yield grid.ticks(section.start_seconds), midi.marker(section.label)


def _signature(span: KeySpan) -> bytes:
    """In a key of more accidentals than a signature holds, that of the same key spelled with fewer."""
    away = 3 if span.mode == "minor" else 0
    sharps = fifths_of(span.tonic) - away
    if abs(sharps) > _MOST_ACCIDENTALS:
        sharps = fifths_of(key_on(Key(span.tonic, span.mode).pitch_class, span.mode).tonic) - away
    return midi.key_signature(sharps, span.mode == "minor")


def _chords(analysis: Analysis, grid: BeatGrid) -> Iterator[midi.Event]:
    yield 0, midi.track_name("Chords")
    yield 0, midi.program(_PIANO)
    for span in analysis.chords:
        start, end = grid.ticks(span.start_seconds), grid.ticks(span.end_seconds)
        yield start, midi.text(span.symbol)
        if span.symbol == NO_CHORD or end <= start:
            continue
        for pitch in voicing(parse_chord(span.symbol)):
            yield start, midi.note_on(pitch, _CHORD_VELOCITY)
            yield end, midi.note_off(pitch)


def _beats(analysis: Analysis, grid: BeatGrid) -> Iterator[midi.Event]:
    yield 0, midi.track_name("Beats")
    for beat in analysis.beats:
        block, velocity = (
            (_HIGH_WOOD_BLOCK, _DOWNBEAT_VELOCITY) if beat.position == 1 else (_LOW_WOOD_BLOCK, _BEAT_VELOCITY)
        )
        start = grid.ticks(beat.time_seconds)
        yield start, midi.note_on(block, velocity, midi.DRUM_CHANNEL)
        yield start + TICKS_PER_QUARTER // 8, midi.note_off(block, midi.DRUM_CHANNEL)
