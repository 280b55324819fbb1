"""Moods, and what they mean for mode, tempo and harmony.

That major and fast sound happy and minor and slow sad is among the oldest findings of the psychology of music (Hevner
1935, *The affective character of the major and minor modes in music*; 1937, *The affective value of pitch and tempo in
music*). The ranges of tempo and the chords that stand for a mood are estimates of our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from core.theory.keys import Mode

MoodName = Literal[
    "happy", "sad", "calm", "energetic", "hopeful", "romantic", "nostalgic", "dreamy", "dark", "tense", "triumphant"
]
MOOD_NAMES: tuple[MoodName, ...] = get_args(MoodName)


@dataclass(frozen=True)
class Mood:
    """What a mood asks for.

    Attributes:
        mode: major or minor.
        tempo_bpm: slowest and fastest.
        favoured: how many times likelier a chord becomes, by degree in semitones and third (``5m`` is iv).
        moves: what is characteristic, in words.
    """

    mode: Mode
    tempo_bpm: tuple[int, int]
    favoured: Mapping[str, float]
    moves: str


MOODS: Mapping[MoodName, Mood] = {
    "happy": Mood("major", (104, 132), {"5M": 1.5, "7M": 1.5, "9m": 0.6}, "the three bright chords I, IV and V"),
    "sad": Mood("minor", (60, 84), {"5m": 2, "8M": 1.5, "3M": 0.7}, "i and iv, which fall, and the wide VI"),
    "calm": Mood("major", (64, 84), {"5M": 2, "0M": 1.3, "7M": 0.6}, "I and IV back and forth, with little tension"),
    "energetic": Mood("major", (126, 152), {"10M": 2.5, "5M": 1.5, "4m": 0.5}, "bVII and IV, which push without rest"),
    "hopeful": Mood("major", (84, 112), {"9m": 2, "5M": 1.5, "7M": 1.3}, "vi and IV that rise to V"),
    "romantic": Mood("major", (66, 92), {"2m": 2, "9m": 1.5, "4m": 1.5}, "the soft minor chords ii, iii and vi"),
    "nostalgic": Mood("major", (72, 100), {"5m": 8, "9m": 1.5, "4m": 1.5}, "iv, borrowed from the minor key, after IV"),
    "dreamy": Mood("major", (70, 96), {"4m": 2.5, "5M": 1.5, "2M": 2, "7M": 0.5}, "iii and IV, with V kept back"),
    "dark": Mood("minor", (70, 100), {"8M": 2, "1M": 6, "5m": 1.5, "3M": 0.6}, "VI, and bII a half step above home"),
    "tense": Mood("minor", (96, 130), {"7M": 2.5, "8M": 1.5, "2o": 2}, "V, which asks for home and waits for it"),
    "triumphant": Mood("major", (96, 124), {"8M": 5, "10M": 4, "7M": 1.5}, "bVI and bVII, which climb to I"),
}


def favour(state: str, mood: Mood) -> float:
    """How many times likelier the mood makes a state; jazz's sevenths count as what they are without."""
    family = {"D": "M", "h": "o"}.get(state[-1], state[-1])
    return mood.favoured.get(state[:-1] + family, 1.0)
