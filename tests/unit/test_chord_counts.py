"""The counting of corpora, on songs that are written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chord_counts import Song, count_style, styles_of
from core.theory.statistics import Style

HUMDRUM = """**harm\t**harte\t**timestamp
*M4/4\t*\t*
*a:\t*\t*
=1\t=1\t=1
*>A\t*>A\t*>A
1i\tA:min\t0.0
=2\t=2\t=2
1i\tA:min7\t1.0
=3\t=3\t=3
1V7\tE:7\t2.0
=4\t=4\t=4
1i\tA:min\t3.0
*>B\t*>B\t*>B
1VI\tF:maj/3\t4.0
=6\t=6\t=6
.\tN\t5.0
1VII\tG:maj\t6.0
"""
BLUES = "Title = X\nDBKeySig = Bb\nTimeSig = 4 4\nBars = 12\n" + " | ".join(
    ["Bb7", "Eb7", "Bb7", "Fm7 Bb7", "Eb7", "Eo7", "Bb7", "G7", "Cm7", "F7", "Bb7 G7", "Cm7 F7"]
)
TUNE = 'X: 1\nT:Tune\nM:4/4\nK:D\n"D"abc "A7"abc|"D"d4|\n"G"g4 "Em"e4|"A7"a4 "D"d4|\nK:Bm\n"Bm"b4|"F#"f4|"Bm"b4|\n'


@pytest.fixture
def corpora(tmp_path: Path) -> dict[Style, list[Song]]:
    files = {
        "pop/Billboard/Data/song.harm": HUMDRUM,
        "pop/RollingStone/Data/song.hum": HUMDRUM,
        "jazz/SongDB/blues.txt": BLUES + " |\n",
        "folk/ABC_original/tunes.abc": TUNE,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return styles_of(tmp_path / "pop", tmp_path / "jazz", tmp_path / "folk")


def changes(song: Song, style: Style) -> list[str]:
    """All changes of a song, however rare, as ``last next``."""
    counts = count_style([song] * 2, style)["minor" if song.is_minor else "major"]
    pairs = counts["pairs"]
    assert isinstance(pairs, dict)
    return sorted(f"{last} {following}" for last, row in pairs.items() for following in row)


@pytest.mark.parametrize("style", ["pop", "rock"])
def test_changes_are_counted_within_sections_and_repeats_are_none(
    corpora: dict[Style, list[Song]], style: Style
) -> None:
    (song,) = corpora[style]
    assert (song.tonic, song.is_minor) == (9, True)
    assert changes(song, style) == ["0m 7M", "7M 0m", "8M 10M"]


def test_what_follows_a_dominant_seventh_is_counted_apart(corpora: dict[Style, list[Song]]) -> None:
    counts = count_style(corpora["pop"] * 2, "pop")["minor"]
    assert counts["sevenths"] == {"7M": {"0m": 2}}


def test_a_blues_is_told_by_its_fifth_bar_and_counted_by_its_bars(corpora: dict[Style, list[Song]]) -> None:
    (song,) = corpora["blues"]
    assert song.tonic == 10
    bars = count_style([song] * 5, "blues")["major"]["bars"]
    assert isinstance(bars, dict)
    assert (bars["0"], bars["4"], bars["5"], bars["8"]) == ({"0M": 5}, {"5M": 5}, {"6o": 5}, {"2m": 5})


def test_jazz_tells_dominant_sevenths_from_major_chords(corpora: dict[Style, list[Song]]) -> None:
    (song,) = corpora["jazz"]
    assert {"9D 2m", "2m 7D", "7D 0D", "5D 6o"} <= set(changes(song, "jazz"))


def test_a_part_of_a_tune_in_another_key_is_counted_in_that(corpora: dict[Style, list[Song]]) -> None:
    major, minor = corpora["folk"]
    assert (major.tonic, major.is_minor, minor.tonic, minor.is_minor) == (2, False, 11, True)
    assert changes(major, "folk") == ["0M 5M", "0M 7M", "2m 7M", "5M 2m", "7M 0M"]
    assert changes(minor, "folk") == ["0m 7M", "7M 0m"]
