"""Scales: which pitch classes belong to one."""

from __future__ import annotations

import pytest

from core.theory.scales import SCALES, pitch_classes, root_pitch_class

C, D, E, F, G, A, B = 0, 2, 4, 5, 7, 9, 11


@pytest.mark.parametrize(
    ("root", "scale", "expected"),
    [
        ("C", "major", {C, D, E, F, G, A, B}),
        ("A", "minor", {A, B, C, D, E, F, G}),
        ("A", "harmonic_minor", {A, B, C, D, E, F, 8}),
        ("A", "melodic_minor", {A, B, C, D, E, 6, 8}),
        ("Bb", "major", {10, C, D, 3, F, G, A}),
        ("F#", "minor_pentatonic", {6, A, B, 1, E}),
        ("G", "major_pentatonic", {G, A, B, D, E}),
        ("E", "blues", {E, G, A, 10, B, D}),
        ("C", "major_blues", {C, D, 3, E, G, A}),
        ("E", "phrygian_dominant", {E, F, 8, A, B, C, D}),
        ("C", "whole_tone", {0, 2, 4, 6, 8, 10}),
        ("C", "diminished", {0, 2, 3, 5, 6, 8, 9, 11}),
        ("C", "dominant_diminished", {0, 1, 3, 4, 6, 7, 9, 10}),
        ("D", "chromatic", set(range(12))),
    ],
)
def test_a_scale_has_the_notes_that_players_know(root: str, scale: str, expected: set[int]) -> None:
    assert pitch_classes(root, scale) == expected


@pytest.mark.parametrize(
    ("root", "mode"),
    [
        ("C", "ionian"),
        ("D", "dorian"),
        ("E", "phrygian"),
        ("F", "lydian"),
        ("G", "mixolydian"),
        ("A", "aeolian"),
        ("B", "locrian"),
    ],
)
def test_the_modes_of_c_major_are_its_notes_from_each_of_them(root: str, mode: str) -> None:
    assert pitch_classes(root, mode) == pitch_classes("C", "major")


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_rises_from_its_root_within_the_octave(scale: str) -> None:
    degrees = SCALES[scale]
    assert degrees[0] == 0
    assert list(degrees) == sorted(set(degrees))
    assert degrees[-1] < 12


@pytest.mark.parametrize(
    ("root", "pitch_class"), [("C", 0), ("Cb", 11), ("B#", 0), ("b", 11), ("bb", 10), ("F♯", 6), ("E♭", 3)]
)
def test_a_root_is_spelled_as_one_likes(root: str, pitch_class: int) -> None:
    assert root_pitch_class(root) == pitch_class


@pytest.mark.parametrize("root", ["", "H", "C4", "C-", "Am", "C##", " A", "A\n", "a" * 100_000])
def test_what_is_no_root_is_refused_with_examples_and_without_repeating_it(root: str) -> None:
    with pytest.raises(ValueError, match="such as A, F# or Bb") as refusal:
        pitch_classes(root, "major")
    assert len(str(refusal.value)) < 200


def test_an_unknown_scale_is_refused_with_the_list_of_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"must be one of major, minor, .*blues.*chromatic"):
        pitch_classes("A", "bluesy")
