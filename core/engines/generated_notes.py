"""Single notes from an engine that makes stems from a description.

Such a model plays what it is told only roughly: it begins late, and out of tune or on another note. So each take's
beginning is cut to the note's, and its pitch is measured: within a semitone it is corrected, otherwise the note is
played again with another seed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.audio.blocks import closable
from core.audio.pitch import measure_pitch, transposed
from core.audio.waveform import db_to_gain, fade_curve, gain_for_peak, peak, scale
from core.errors import EngineFailed, NotFinite
from core.ports import StemRequest, Take
from core.theory.notes import cents_between, midi_of, note_name
from core.theory.techniques import natural_harmonic

if TYPE_CHECKING:
    from core.ports import Block, EngineInfo, GenerationEngine, NoteRenderer, NoteRequest, Piece, Renderer

MOST_TOGETHER = 16
"""How many notes are made in one call at most."""

FARTHEST_CENTS = 100.0
"""What is farther off is played again: correcting it would move the instrument's body along."""

TOLERANCE_CENTS = 2.0

LOUDEST_DBFS, QUIETEST_DBFS = -3.0, -36.0
"""The peak of a note at velocity 1 and 0; in between evenly in decibels."""

_CORRECTIONS = 3  # the first nearly always does; how a note glides or swings may move what is measured of it
_LATEST_SECONDS = 0.5  # how late a note may begin and still be there in full
_SHORTEST_SECONDS = 0.5  # of a stem
_TEMPO_BPM = 60.0  # joins of the windows of a long note are on its beats
_ONSET = 0.1  # of the loudest 2 ms
_ONSET_SECONDS = 0.002
_FADE_SECONDS = 0.03


class GeneratedNotes:
    """A ``NoteEngine``: notes of the models of a ``GenerationEngine``."""

    def __init__(self, engine: GenerationEngine, *, tries: int = 3) -> None:
        """``tries``: how often a note is played at most, until its pitch is right."""
        self.info: EngineInfo = engine.info
        self._engine, self._tries = engine, tries

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        return self._engine.loaded()

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[NoteRenderer]:
        """The model of this name; see ``GenerationEngine.load``."""
        with self._engine.load(model, wait) as renderer:
            yield GeneratedNoteRenderer(renderer, self._tries)


class GeneratedNoteRenderer:
    """A ``NoteRenderer`` over a ``Renderer``. All notes whose pitch is not right yet are made in one call."""

    def __init__(self, renderer: Renderer, tries: int) -> None:
        self.sample_rate, self.channels = renderer.sample_rate, renderer.channels
        self.weights, self.compute = renderer.weights, renderer.compute
        self._renderer, self._tries = renderer, tries

    def render(self, notes: Sequence[NoteRequest], step: Callable[[float], None]) -> Iterator[Take]:
        """Yield each note as soon as its pitch is right; of one that never is, the nearest take, at the end.

        That one is left as it was played, unless it is less than a semitone off. A take is at most ``TOLERANCE_CENTS``
        off when it is right; a dead note always is. No take's samples depend on the other notes. See ``NoteRenderer``.

        Raises:
            EngineFailed: the engine broke, or made other samples than it was asked for.
            NotFinite: it made samples that are no numbers.
        """
        progress = _Progress(self._tries, step)
        pending, nearest = list(range(len(notes))), dict[int, _Played]()
        for number in range(1, self._tries + 1):
            wrong, total = [], len(pending)
            for first in range(0, total, MOST_TOGETHER):
                batch = pending[first : first + MOST_TOGETHER]
                tell = partial(progress.tell, number, first / total, len(batch) / total)
                with closing(self._play([notes[place] for place in batch], number, tell)) as takes:
                    for index, played in takes:
                        place = batch[index]
                        if played.off_cents <= TOLERANCE_CENTS:
                            yield Take(place, played.samples, number, played.correction_cents)
                        else:
                            wrong.append(place)
                            nearest[place] = min(nearest.get(place, played), played, key=lambda each: each.off_cents)
            pending = sorted(wrong)
        step(1.0)
        for place in pending:
            yield Take(place, nearest[place].samples, self._tries, nearest[place].correction_cents)

    def _play(
        self, notes: Sequence[NoteRequest], number: int, step: Callable[[float], None]
    ) -> Generator[tuple[int, _Played], None, None]:
        """Each note once, in the order in which they are complete, with its place among ``notes``."""
        requests = [stem_request(note, number) for note in notes]
        stems = _Stems(requests, self.sample_rate, self.channels)
        with closing(closable(self._renderer.render(requests, step))) as pieces:
            for piece in pieces:
                stem = stems.add(piece)
                if stem is not None:
                    yield piece.stem, _note_in(stem, notes[piece.stem], self.sample_rate)
        stems.check_complete()


class _Progress:
    """Which share of the work is done, if every try leaves half of the notes to the next; never less than before."""

    def __init__(self, tries: int, step: Callable[[float], None]) -> None:
        self._all, self._step, self._share = 2 - 2.0 ** (1 - tries), step, 0.0

    def tell(self, number: int, begin: float, size: float, share: float) -> None:
        """How much of a call is done, which is ``size`` of the try ``number`` and follows on ``begin``."""
        done = 2 - 2.0 ** (2 - number) + (begin + size * share) * 2.0 ** (1 - number)
        self._share = max(self._share, done / self._all)
        self._step(self._share)


# What the model is asked for


def stem_request(note: NoteRequest, number: int) -> StemRequest:
    """The stem that the note is cut from, at its try ``number``: longer, lest it begin late or must be raised."""
    seconds = note.duration_seconds * 2 ** (FARTHEST_CENTS / 1200) + _LATEST_SECONDS
    digest = hashlib.sha256(f"{note.seed}:{number}".encode()).digest()
    return StemRequest(
        stem_type="bass" if note.instrument == "bass_guitar" else "guitar",
        duration_seconds=max(seconds, _SHORTEST_SECONDS),
        tempo_bpm=_TEMPO_BPM,
        style=note.style,
        chords=(),
        description=describe(note),
        temperature=1.0,
        seed=int.from_bytes(digest[:6]),
        negative_description="melody, chords, strumming, drums, vocals, other instruments, noise",
    )


_INSTRUMENTS = {
    "acoustic_guitar": "steel-string acoustic guitar",
    "electric_guitar": "electric guitar",
    "classical_guitar": "nylon-string classical guitar",
    "bass_guitar": "electric bass guitar",
    "ukulele": "ukulele",
}
_DYNAMICS = ((0.25, "played very softly"), (0.5, "played softly"), (0.75, "played firmly"), (1.0, "played hard"))
_MANNERS = {
    "palm_mute": "palm muted",
    "vibrato": "with vibrato",
    "tremolo": "tremolo picked",
    "let_ring": "left to ring",
}
_APPROACHES = {"hammer_on": "hammered on from", "pull_off": "pulled off from", "slide": "slid into from"}


def describe(note: NoteRequest) -> str:
    """The note in the words of a caption, e.g.

    ``"a single electric guitar note, E4, palm muted, played softly, crunchy rock tone, solo, no other instruments,
    dry"``.
    """
    instrument = _INSTRUMENTS.get(note.instrument, note.instrument.replace("_", " "))
    dynamics = next(words for most, words in _DYNAMICS if note.velocity <= most)
    style = " ".join(note.style.split()).rstrip(",.;") or "clean tone"
    manners = [words for name, words in _MANNERS.items() if name in note.techniques]
    parts = (*_what_sounds(note), *manners, dynamics, style, "solo", "no other instruments", "dry")
    return ", ".join((f"a single {instrument} note", *parts))


def _what_sounds(note: NoteRequest) -> Iterator[str]:
    """The pitch, and how the left hand comes to it."""
    if note.sounding_hz is None:
        yield "dead note, muted string, no pitch"
        return
    fretted = note.open_pitch + note.fret
    if "harmonic" in note.techniques:
        yield note_name(midi_of(note.sounding_hz))
        yield "natural harmonic" if natural_harmonic(note.fret) else "artificial harmonic"
        return
    yield note_name(fretted)
    if "bend" in note.techniques:
        bent = note_name(midi_of(note.sounding_hz))
        yield f"bent up to {bent}" if bent != note_name(fretted) else "bent up a little"
    for technique, words in _APPROACHES.items():
        if technique in note.techniques and note.articulation.from_fret is not None:
            yield f"{words} {note_name(note.open_pitch + note.articulation.from_fret)}"


# What comes of it


@dataclass(frozen=True)
class _Played:
    """A note ``[C, T]``; how far off it is, infinitely if it has no pitch, and by how much it was corrected."""

    samples: Block
    off_cents: float
    correction_cents: float


def _note_in(stem: Block, note: NoteRequest, sample_rate: int) -> _Played:
    """A note cut from its stem: from its onset, in tune if it is less than a semitone off, at its length and level."""
    sound = stem[:, _onset(stem, sample_rate) :]
    played = _in_tune(sound, note.sounding_hz, sample_rate, round(note.duration_seconds * sample_rate))
    level = db_to_gain(QUIETEST_DBFS + note.velocity * (LOUDEST_DBFS - QUIETEST_DBFS))
    return replace(played, samples=scale(played.samples, gain_for_peak(peak(played.samples), level)))


def _onset(stem: Block, sample_rate: int) -> int:
    """The frame where the note begins: where it first comes within 20 dB of its loudest, less 2 ms."""
    frame = round(_ONSET_SECONDS * sample_rate)
    peaks = np.abs(stem[:, : stem.shape[1] // frame * frame]).max(axis=0).reshape(-1, frame).max(axis=1)
    first = int(np.argmax(peaks >= _ONSET * peaks.max()))
    return max(first - 1, 0) * frame


def _in_tune(sound: Block, wanted_hz: float | None, sample_rate: int, frames: int) -> _Played:
    """Corrected by what is measured of just the frames that are kept, until it is right."""
    as_played = kept = _cut(sound, frames, sample_rate)
    if wanted_hz is None:
        return _Played(kept, 0.0, 0.0)
    first = off = _off_cents(kept, sample_rate, wanted_hz)
    correction = 0.0
    for _ in range(_CORRECTIONS):
        if abs(off) <= TOLERANCE_CENTS or abs(correction - off) > FARTHEST_CENTS:
            break
        correction -= off
        kept = _cut(transposed(sound, correction), frames, sample_rate)
        off = _off_cents(kept, sample_rate, wanted_hz)
    if abs(off) > abs(first):
        return _Played(as_played, abs(first), 0.0)
    return _Played(kept, abs(off), correction)


def _off_cents(sound: Block, sample_rate: int, wanted_hz: float) -> float:
    measured = measure_pitch(sound, sample_rate, near_hz=wanted_hz)
    return cents_between(measured.frequency_hz, wanted_hz) if measured else math.inf


def _cut(sound: Block, frames: int, sample_rate: int) -> Block:
    """The first frames, faded in and out; if there are not so many, silence follows."""
    kept = sound[:, :frames].copy()
    rise, fall = (
        fade_curve(min(round(seconds * sample_rate), kept.shape[1] // 4)) for seconds in (_ONSET_SECONDS, _FADE_SECONDS)
    )
    kept[:, : rise.size] *= rise
    kept[:, kept.shape[1] - fall.size :] *= fall[::-1]
    return np.pad(kept, ((0, 0), (0, frames - kept.shape[1])))


class _Stems:
    """The stems of one call while their pieces come in."""

    def __init__(self, requests: Sequence[StemRequest], sample_rate: int, channels: int) -> None:
        self._channels = channels
        self._missing = [round(request.duration_seconds * sample_rate) for request in requests]
        self._blocks: list[list[Block]] = [[] for _ in requests]

    def add(self, piece: Piece) -> Block | None:
        """Take the next samples of a stem; the whole of it, once it is complete. Raises ``EngineFailed``."""
        stem, block = piece.stem, piece.block
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise EngineFailed(f"samples must be [{self._channels}, T], not {block.shape}")
        if not math.isfinite(peak(block)):
            raise NotFinite("the engine made samples that are not finite")
        if block.shape[1] > self._missing[stem]:
            raise EngineFailed("the engine made more samples than were asked for")
        if not block.shape[1]:
            return None
        self._blocks[stem].append(block)
        self._missing[stem] -= block.shape[1]
        if self._missing[stem]:
            return None
        blocks, self._blocks[stem] = self._blocks[stem], []
        return np.concatenate(blocks, axis=1)

    def check_complete(self) -> None:
        """Raises ``EngineFailed`` if a stem is not."""
        if any(self._missing):
            raise EngineFailed(f"the engine made too few samples of {sum(map(bool, self._missing))} notes")
