"""Chords as musicians write them: symbols, and with a key Nashville numbers and roman numerals.

==================  ==============================================================================================
symbols             ``C``, ``F♯m7``, ``B♭maj9``, ``D/F#``: whatever ``core.theory.chords`` reads
Nashville numbers   ``1``, ``2-``, ``6m``, ``b7``, ``4maj7``, ``5/7``. They count on the major scale of the tonic, in
                    minor keys as well; a bare number is a major chord, and what stands behind a slash is the bass.
roman numerals      ``I``, ``ii``, ``V7``, ``bVII``, ``iiø7``, ``vii°``, ``V7/V``, ``N6``. Capitals are major, small
                    ones minor. In minor keys III, VI and VII are the natural scale's, and so are ♭III, ♭VI and ♭VII;
                    vi° and vii° stand on the raised degrees.
==================  ==============================================================================================

What stands after a numeral is read as in a chord symbol: ``I7`` is a dominant seventh, ``Imaj7`` a major one, ``IV6``
the chord with its sixth. First inversions are written with the bass, ``IV/6``; the figures 64, 65, 43 and 42 are
inversions as well, since no symbol means anything else by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.theory.chords import LONGEST_SYMBOL, Chord, ChordError, parse_chord
from core.theory.keys import Key, key_on

MOST_CHORDS = 500

_PLAIN_SIGNS = str.maketrans({"♯": "#", "♭": "b", "º": "°"})
_DEGREES = (0, 2, 4, 5, 7, 9, 11)
_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_NATURAL_MINOR = {2: 3, 5: 8, 6: 10}  # index of III, VI and VII: semitones above the tonic
_NASHVILLE = re.compile(r"([#b]?)([1-7])([^/]*)(?:/([#b]?[1-7]))?")
_ROMAN = re.compile(r"([#b]?)(VII|VI|V|IV|III|II|I|vii|vi|v|iv|iii|ii|i)([^/IViv]*)(?:/(.+))?")
_SCALE_DEGREE = re.compile(r"([#b]?)([1-7])")
_INVERSIONS = {"64": ("", 2), "65": ("7", 1), "43": ("7", 2), "42": ("7", 3)}
_DIMINISHED = {"°": "dim", "o": "dim", "dim": "dim", "°7": "dim7", "o7": "dim7", "dim7": "dim7"} | dict.fromkeys(
    ("ø", "ø7", "m7b5", "-7b5", "7b5"), "m7b5"
)
_ROOTS = tuple("ABCDEFG")
_NEEDS_KEY = "numbers and numerals need a key: send one, such as C or F#m"
_EXPECTED = (
    "expected a chord symbol (Am7, D/F#), a Nashville number (1, 2-, 5/7, b7) or a roman numeral (ii, V7, bVII, V/V)"
)


class ProgressionError(ValueError):
    """Entries of a progression that are no chords.

    Attributes:
        faults: for each, its index and what was expected.
    """

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"chord {index}: {detail}" for index, detail in faults))
        self.faults = faults


def parse_progression(entries: Sequence[str], key: Key | None = None) -> list[Chord]:
    """Read chords in any notation, mixed as one likes; numbers and numerals are spelled in ``key``.

    Raises ``ProgressionError`` with every entry that is none.
    """
    chords: list[Chord] = []
    faults: list[tuple[int, str]] = []
    for index, entry in enumerate(entries):
        try:
            chords.append(read_chord(entry, key))
        except ChordError as error:
            faults.append((index, str(error)))
    if faults:
        raise ProgressionError(faults)
    return chords


def read_chord(entry: str, key: Key | None = None) -> Chord:
    """Read one chord in any notation, raising ``ChordError`` for what is none."""
    if len(entry) > LONGEST_SYMBOL:
        raise ChordError(f"a chord has at most {LONGEST_SYMBOL} characters, this one has {len(entry)}")
    text = entry.strip().translate(_PLAIN_SIGNS)
    if re.match(r"[#b]?[1-7IViv]|N6?$", text) is None:
        if text[:1] in _ROOTS:
            return parse_chord(text)  # whose error says what a symbol is made of
        raise ChordError(f"{entry!r} is not a chord: {_EXPECTED}")
    if key is None:
        raise ChordError(f"{entry!r}: {_NEEDS_KEY}")
    try:
        return parse_chord(_spelled(text, key))
    except ChordError:
        raise ChordError(f"{entry!r} is not a chord in {key.name}: {_EXPECTED}") from None


def degree_of(text: str) -> int:
    """Semitones above the tonic of a degree of the major scale, such as ``b7`` or ``5``."""
    match = _SCALE_DEGREE.fullmatch(text)
    if match is None:
        raise ChordError(f"{text!r} is no degree of a scale")
    return (_DEGREES[int(match[2]) - 1] + _shift(match[1])) % 12


def _spelled(text: str, key: Key) -> str:
    if text in ("N", "N6"):
        return _symbol(key, 1, "", 5 if text == "N6" else None)
    if match := _NASHVILLE.fullmatch(text):
        bass = degree_of(match[4]) if match[4] else None
        return _symbol(key, degree_of(match[1] + match[2]), _DIMINISHED.get(match[3], match[3]), bass)
    match = _ROMAN.fullmatch(text)
    if match is None:
        raise ChordError(text)
    return _from_roman(match[1], match[2], match[3], match[4], key)


def _from_roman(sign: str, numeral: str, figures: str, target: str | None, key: Key) -> str:
    if target is not None and not _SCALE_DEGREE.fullmatch(target):
        return _from_roman(sign, numeral, figures, None, _key_of(target, key))
    quality, inversion = _quality(numeral, figures)
    degree = _degree(sign, numeral, quality, key)
    bass = degree_of(target) if target else None
    if inversion:
        intervals = parse_chord(f"C{quality}").intervals
        bass = degree + intervals[inversion] if inversion < len(intervals) else None
    return _symbol(key, degree, quality, bass)


def _key_of(target: str, key: Key) -> Key:
    """The key that a secondary dominant leads to for a moment."""
    match = _ROMAN.fullmatch(target)
    if match is None or match[4]:
        raise ChordError(target)
    quality, _ = _quality(match[2], match[3])
    root = key.pitch_class + _degree(match[1], match[2], quality, key)
    return key_on(root, "minor" if match[2].islower() else "major")


def _quality(numeral: str, figures: str) -> tuple[str, int]:
    """The quality as in a chord symbol, and which tone is in the bass (0 the root)."""
    figures, inversion = _INVERSIONS.get(figures, (figures, 0))
    if numeral.isupper():
        return figures, inversion
    if figures in _DIMINISHED:
        return _DIMINISHED[figures], inversion
    plain = figures.removeprefix("m").removeprefix("-")
    return (plain if plain.startswith("sus") else f"m{plain}"), inversion


def _degree(sign: str, numeral: str, quality: str, key: Key) -> int:
    index = _NUMERALS.index(numeral.upper())
    raised = quality in ("dim", "dim7", "m7b5") and index in (5, 6) and not sign
    if key.mode == "major" or raised or index not in _NATURAL_MINOR:
        return (_DEGREES[index] + _shift(sign)) % 12
    return (_NATURAL_MINOR[index] + (1 if sign == "#" else 0)) % 12


def _shift(sign: str) -> int:
    return {"": 0, "#": 1, "b": -1}[sign]


def _symbol(key: Key, degree: int, quality: str, bass: int | None) -> str:
    root = key.spell((key.pitch_class + degree) % 12, leading=quality in ("dim", "dim7", "m7b5"))
    if bass is None or bass % 12 == degree % 12:
        return root + quality
    return f"{root}{quality}/{key.spell((key.pitch_class + bass) % 12)}"
