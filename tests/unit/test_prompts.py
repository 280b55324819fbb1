import pytest

from core.generation.prompts import CHARACTERISTICS, build_description


@pytest.mark.parametrize(
    ("stem_type", "style", "tempo_bpm", "chords", "prompt", "description"),
    [
        (
            "bass",
            "rock",
            120.0,
            ("C", "G", "Am", "F"),
            "energetic",
            "energetic, isolated bass guitar with a deep fundamental, rock style, 120 bpm, chords C G Am F",
        ),
        ("piano", "", 92.5, (), "", "isolated acoustic piano with a clear attack, 92.5 bpm"),
        (
            "drums",
            "  lo-fi   jazz ",
            80,
            (),
            "  dusty,\n brushed. ",
            "dusty, brushed, isolated drum kit with kick, snare and hi-hat, lo-fi jazz style, 80 bpm",
        ),
        ("strings", "ballad", 60, ("Dm",), "", "isolated strings, ballad style, 60 bpm, chords Dm"),
    ],
)
def test_describes_a_stem(
    stem_type: str, style: str, tempo_bpm: float, chords: tuple[str, ...], prompt: str, description: str
) -> None:
    assert build_description(stem_type, style, tempo_bpm, chords, prompt) == description


def test_every_stem_has_words_of_its_own() -> None:
    stems = {"drums", "bass", "guitar", "vocals", "piano", "synth", "other"}
    assert set(CHARACTERISTICS) == stems
    assert len(set(CHARACTERISTICS.values())) == len(stems)
