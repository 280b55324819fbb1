"""Chords as musicians write them: symbols, and with a key Nashville numbers and roman numerals.

==================  ==============================================================================================
symbols             ``C``, ``F♯m7``, ``B♭maj9``, ``D/F#``: whatever ``core.theory.chords`` reads
Nashville numbers   ``1``, ``2-``, ``6m``, ``b7``, ``4maj7``, ``5/7``. They count on the major scale of the tonic, in
                    minor keys as well; a bare number is a major chord, and what stands behind a slash is the bass.
roman numerals      ``I``, ``ii``, ``V7``, ``bVII``, ``iiø7``, ``vii°``, ``V7/V``, ``N6``. Capitals are major, small
                    ones minor. In minor keys III, VI and VII are the natural scale's, and so are ♭III, ♭VI and ♭VII;
                    vi° and vii° stand on the raised degrees.
==================  ==============================================================================================

What stands after a number or numeral is read as in a chord symbol: ``I7`` is a dominant seventh, ``Imaj7`` a major one,
``IV6`` the chord with its sixth; a small numeral brings its minor third along, so that ``imaj7`` is ``Cm(maj7)`` in C
minor. First inversions are written with the bass, ``IV/6``; the figures 64, 65, 43 and 42 are inversions as well, since
no symbol means anything else by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.theory.chords import LONGEST_SYMBOL, PLAIN_SIGNS, QUALITIES, Chord, ChordError, intervals_of, parse_chord
from core.theory.keys import Key, key_on

MOST_CHORDS = 500
MOST_FAULTS = 50

_DEGREES = (0, 2, 4, 5, 7, 9, 11)
_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_NATURAL_MINOR = {2: 3, 5: 8, 6: 10}  # index of III, VI and VII: semitones above the tonic
_NASHVILLE = re.compile(r"([#b]?)([1-7])((?:6/9|[^/])*)(?:/([#b]?[1-7]))?")
_ROMAN = re.compile(r"([#b]?)(VII|VI|V|IV|III|II|I|vii|vi|v|iv|iii|ii|i)((?:6/9|dim|mi|[^/IViv])*)(?:/(.+))?")
_SCALE_DEGREE = re.compile(r"([#b]?)([1-7])")
_INVERSIONS = {"64": ("", 2), "65": ("7", 1), "43": ("7", 2), "42": ("7", 3)}
_DIMINISHED = ("dim", "dim7", "m7b5")
_MINOR_SIGN = re.compile(r"^(?:min|mi|m(?!aj)|-)")
_ROOTS = tuple("ABCDEFG")
_ANY_KEY = Key("C")
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

    def below(self, pointer: str) -> list[tuple[str, str]]:
        """A JSON pointer and what was expected for each of the first ``MOST_FAULTS``, and how many more there are."""
        found = [(f"{pointer}/{index}", detail) for index, detail in self.faults[:MOST_FAULTS]]
        left = len(self.faults) - MOST_FAULTS
        return found + ([(pointer, f"and {left} more do not fit")] if left > 0 else [])


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
    text = entry.strip().translate(PLAIN_SIGNS)
    if re.match(r"[#b]?[1-7IViv]|N6?$", text) is None:
        if text[:1] in _ROOTS:
            return parse_chord(text)  # whose error says what a symbol is made of
        raise ChordError(f"{entry!r} is not a chord: {_EXPECTED}")
    if key is None:
        raise ChordError(f"{entry!r}: {_NEEDS_KEY}")
    try:
        return parse_chord(_spelled(text, key))
    except ChordError:
        raise ChordError(f"{entry!r} is not a chord: {_EXPECTED}") from None


def check_chord(entry: str) -> None:
    """Raise ``ChordError`` for what is no chord in any notation, whatever the key."""
    read_chord(entry, _ANY_KEY)


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
        return _symbol(key, degree_of(match[1] + match[2]), _named(match[3]), bass)
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
    return (figures if numeral.isupper() else _small_quality(figures)), inversion


def _small_quality(figures: str) -> str:
    """A small numeral's: the minor third need not be written, and has no place where something is suspended."""
    if _named(figures) in _DIMINISHED:
        return _named(figures)
    plain = _MINOR_SIGN.sub("", figures)
    return plain if "sus" in plain else _named(f"m{plain}")


def _named(quality: str) -> str:
    """Diminished chords by their names, since their roots are spelled apart; others as they are written."""
    name = QUALITIES.get(intervals_of(quality) or ())
    return name if name in _DIMINISHED else quality


def _degree(sign: str, numeral: str, quality: str, key: Key) -> int:
    index = _NUMERALS.index(numeral.upper())
    raised = quality in _DIMINISHED and index in (5, 6) and not sign
    if key.mode == "major" or raised or index not in _NATURAL_MINOR:
        return (_DEGREES[index] + _shift(sign)) % 12
    return (_NATURAL_MINOR[index] + (1 if sign == "#" else 0)) % 12


def _shift(sign: str) -> int:
    return {"": 0, "#": 1, "b": -1}[sign]


def _symbol(key: Key, degree: int, quality: str, bass: int | None) -> str:
    root = key.spell((key.pitch_class + degree) % 12, leading=quality in _DIMINISHED)
    if bass is None or bass % 12 == degree % 12:
        return root + quality
    return f"{root}{quality}/{key.spell((key.pitch_class + bass) % 12)}"
