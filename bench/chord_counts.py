"""Counts the chord changes of published corpora for ``core/theory/chord_counts.json``.

``python -m bench.chord_counts CoCoPops Jazz-Chord-Progressions-Corpus nottingham-dataset`` reads three checked-out
repositories; ``core/theory/statistics.py`` says whose work they are. Only counts are kept: no song can be told from
them. A chord counts as a degree, in semitones above the tonic, and a family: ``M`` major, ``D`` dominant seventh (in
jazz alone; elsewhere it counts as major, and what
follows one with a seventh is counted once more), ``m`` minor, ``h`` half diminished (in jazz alone), ``o`` diminished.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from core.theory.keys import Mode
from core.theory.statistics import Style

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ROOT = re.compile(r"([A-G])([#b-]?)")
_TARGET = Path(__file__).parents[1] / "core/theory/chord_counts.json"
_LEAST_PAIR, _LEAST_TRIPLE, _LEAST_CONTEXT = 2, 3, 12  # what is rarer is left to smoothing

Bar = list[tuple[int, str]]
"""The chords of a bar: pitch class of the root, and what is written after it."""


@dataclass
class Song:
    """A song's sections, each a list of bars, and the pitch class of its tonic; ``minor`` None is left to be found."""

    tonic: int
    minor: bool | None
    sections: list[list[Bar]]
    twelve_bars: bool = False

    @property
    def is_minor(self) -> bool:
        """As the corpus says, else by which of the tonic's triads stands in more bars."""
        if self.minor is not None:
            return self.minor
        bars = (bar for section in self.sections for bar in section)
        sizes = Counter(family_of(written) for bar in bars for root, written in bar if root == self.tonic)
        return sizes["m"] > sizes["M"] + sizes["D"]


@dataclass
class Counts:
    """What is counted of one style in one mode."""

    songs: int = 0
    starts: Counter[str] = field(default_factory=Counter)
    pairs: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    triples: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sevenths: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    shapes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    bars: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def main(pop: Path, jazz: Path, folk: Path) -> None:
    """Count all of it and write the table."""
    table = {style: count_style(songs, style) for style, songs in styles_of(pop, jazz, folk).items()}
    _TARGET.write_text(_lines(table))
    for style, modes in table.items():
        for mode, counts in modes.items():
            print(f"{style:6} {mode:6} {counts['songs']:5} songs {counts['changes']:7} changes")


def styles_of(pop: Path, jazz: Path, folk: Path) -> dict[Style, list[Song]]:
    """The songs of each style."""
    tunes = list(_lead_sheets(jazz / "SongDB"))
    return {
        "pop": list(_humdrum(pop / "Billboard/Data", "*")),
        "rock": list(_humdrum(pop / "RollingStone/Data", "*.hum")),
        "jazz": tunes,
        "blues": [tune for tune in tunes if tune.twelve_bars],
        "folk": list(_abc(folk / "ABC_original")),
    }


def _lines(table: dict[Style, dict[Mode, dict[str, object]]]) -> str:
    """JSON with a context a line, so that a change of the table can be read."""
    text = json.dumps(table, indent=1, sort_keys=True)
    return re.sub(r"\{\s+([^{}]*?)\s+\}", lambda match: "{" + re.sub(r"\s+", " ", match[1]) + "}", text) + "\n"


def count_style(songs: Iterable[Song], style: Style) -> dict[Mode, dict[str, object]]:
    """The counts of a style, for each mode, as ``ChordModel`` takes them."""
    modes: dict[Mode, Counts] = {"major": Counts(), "minor": Counts()}
    for song in songs:
        _count(modes["minor" if song.is_minor else "major"], song, style)
    return {mode: _kept(counts) for mode, counts in modes.items()}


def _count(counts: Counts, song: Song, style: Style) -> None:
    counts.songs += 1
    first = True
    for section in song.sections:
        row: list[tuple[str, bool]] = []
        for index, bar in enumerate(section):
            states = [state for chord in bar if (state := _state(chord, song.tonic, style, counts))]
            if states and style == "blues":
                counts.bars[str(index % 12)][states[0][0]] += 1
            row += states
        # of a chord that is repeated the last decides whether it has a seventh
        changes = [one for one, other in pairwise([*row, ("", False)]) if one[0] != other[0]]
        if changes and first:
            counts.starts[changes[0][0]] += 1
            first = False
        _count_changes(counts, changes)


def _count_changes(counts: Counts, changes: list[tuple[str, bool]]) -> None:
    for index, ((last, seventh), (state, _)) in enumerate(pairwise(changes)):
        counts.pairs[last][state] += 1
        if seventh:
            counts.sevenths[last][state] += 1
        if index:
            counts.triples[f"{changes[index - 1][0]} {last}"][state] += 1


def _state(chord: tuple[int, str], tonic: int, style: Style, counts: Counts) -> tuple[str, bool] | None:
    """The state, and whether it has a dominant's seventh that the state does not tell."""
    root, written = chord
    family = family_of(written)
    if family is None:
        return None
    plain = family if style == "jazz" else {"D": "M", "h": "o"}.get(family, family)
    state = f"{(root - tonic) % 12}{plain}"
    counts.shapes[state][_shape(written, family)] += 1
    return state, family == "D" != plain


def family_of(written: str) -> str | None:
    """The family of what stands after the root, in any of the corpora's three notations."""
    text = written.split("/")[0].removeprefix(":")
    if text in ("1", "5", "N"):
        return None
    if re.match(r"h?dim|o|d$|d7|dim", text) or text.startswith("m7b5"):
        return "h" if text.startswith(("hdim", "m7b5")) else "o"
    if re.match(r"m(?!aj)|min|-", text):
        return "m"
    return "D" if re.match(r"7|9|11|13|sus4\(b7|alt", text) else "M"


def _shape(written: str, family: str) -> str:
    text = written.split("/")[0].removeprefix(":")
    if family == "D":
        return "7"
    if family == "m":
        return "m7" if re.match(r"(m|min)(7|9|11)", text) else "m"
    if family == "M":
        return "maj7" if re.match(r"M7|M9|maj7|maj9", text) else ""
    return "m7b5" if family == "h" else "dim7" if "7" in text else "dim"


def _kept(counts: Counts) -> dict[str, object]:
    pairs = {key: _rows(row, _LEAST_PAIR) for key, row in counts.pairs.items()}
    triples = {
        key: _rows(row, _LEAST_TRIPLE) for key, row in counts.triples.items() if sum(row.values()) >= _LEAST_CONTEXT
    }
    return {
        "songs": counts.songs,
        "changes": sum(sum(row.values()) for row in counts.pairs.values()),
        "starts": _rows(counts.starts, _LEAST_PAIR),
        "pairs": {key: row for key, row in pairs.items() if row},
        "triples": {key: row for key, row in triples.items() if row},
        "sevenths": {key: rows for key, row in counts.sevenths.items() if (rows := _rows(row, _LEAST_PAIR))},
        "shapes": {key: row.most_common(1)[0][0] for key, row in counts.shapes.items() if sum(row.values()) > 4},
        "bars": {key: _rows(row, 5) for key, row in counts.bars.items()},
    }


def _rows(row: Counter[str], least: int) -> dict[str, int]:
    return {key: count for key, count in row.most_common(20) if count >= least}


def _pitch_class(letter: str, sign: str) -> int:
    return (_LETTERS[letter.upper()] + {"": 0, "#": 1, "b": -1, "-": -1}[sign]) % 12


def _chord(text: str) -> tuple[int, str] | None:
    match = _ROOT.match(text)
    return (_pitch_class(match[1], match[2]), text[match.end() :]) if match else None


def _humdrum(folder: Path, pattern: str) -> Iterator[Song]:
    """Rolling Stone and Billboard: a ``**harte`` column, ``*G:`` or ``*g:`` for the key, ``*>`` for sections."""
    for path in sorted(folder.glob(pattern)):
        if path.suffix in (".hum", ".harm"):
            yield from _humdrum_song(path.read_text(errors="replace").splitlines(), "Billboard" in str(folder))


def _humdrum_song(lines: list[str], mode_is_marked: bool) -> Iterator[Song]:
    header = next((line.split("\t") for line in lines if line.startswith("**")), [])
    column = header.index("**harte") if "**harte" in header else 0
    songs: list[Song] = []
    for line in lines:
        cell = line.split("\t")[column] if line.count("\t") >= column else ""
        if key := re.fullmatch(r"\*([A-Ga-g])([#-]?):", line.split("\t")[0]):
            songs.append(Song(_pitch_class(key[1], key[2]), key[1].islower() if mode_is_marked else None, [[[]]]))
        elif not songs or cell.startswith(("!", "**")):
            continue
        elif cell.startswith("*>"):
            songs[-1].sections.append([[]])
        elif cell.startswith("="):
            songs[-1].sections[-1].append([])
        elif chord := _chord(cell):
            songs[-1].sections[-1][-1].append(chord)
    for song in songs:
        song.sections = [bars for section in song.sections if (bars := section[1:] if not section[0] else section)]
        yield song


def _lead_sheets(folder: Path) -> Iterator[Song]:
    """Jazz: bars between pipes; the signature's tonic, or that of its relative minor if the tune ends there."""
    for path in sorted(folder.rglob("*.txt")):
        text = path.read_text(errors="replace")
        key = re.search(r"DBKeySig = ([A-G])([#b]?)", text)
        bars = [
            [chord for word in bar.split() if (chord := _chord(word))]
            for bar in " ".join(line for line in text.splitlines() if "|" in line and "=" not in line).split("|")
        ]
        chords = [chord for bar in bars for chord in bar]
        if key is None or not chords:
            continue
        found = _tonic(_pitch_class(key[1], key[2]), chords)
        if found is not None:
            tonic, minor = found
            yield Song(tonic, minor, [bars], _is_twelve_bar(bars, tonic))


def _tonic(signature: int, chords: Bar) -> tuple[int, bool] | None:
    """The tune's key, if its first or one of its last four chords says so; None if it does not."""
    for root, written in [*reversed(chords[-4:]), chords[0]]:
        family = family_of(written)
        if root == signature and family in ("M", "m", "D"):
            return signature, family == "m"
        if root == (signature + 9) % 12 and family == "m" and not written.startswith(("m7", "m9")):
            return root, True
    return None


def _is_twelve_bar(bars: list[Bar], tonic: int) -> bool:
    """Twelve or twenty-four bars with the tonic in the first and the fourth degree in the fifth of each twelve."""
    filled = bars if bars[-1] else bars[:-1]
    return len(filled) in (12, 24) and all(
        filled[start] and filled[start + 4] and filled[start][0][0] == tonic
        and filled[start + 4][0][0] == (tonic + 5) % 12
        for start in range(0, len(filled), 12)
    )  # fmt: skip


def _abc(folder: Path) -> Iterator[Song]:
    """Folk: chords in quotes, ``d`` for diminished; parts with a key of their own are songs of their own."""
    for path in sorted(folder.glob("*.abc")):
        for tune in path.read_text(errors="replace").split("X:"):
            for part in re.split(r"(?m)^K:", tune)[1:]:
                key = re.match(r"\s*([A-G])([#b]?)(m?)", part)
                lines = [line for line in part.splitlines()[1:] if not re.match(r"[A-Za-z]:|%", line)]
                bars = [
                    [chord for text in re.findall(r'"([^"]*)"', bar) if (chord := _chord(text))]
                    for bar in re.split(r"\|", " ".join(lines))
                ]
                if key and any(bars):
                    yield Song(_pitch_class(key[1], key[2]), key[3] == "m", [bars])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
