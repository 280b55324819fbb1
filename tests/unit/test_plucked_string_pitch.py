"""The strings are in tune, wherever they are stopped and whatever is done to them."""

import pytest

from core.theory.fretboard import INSTRUMENTS
from tests.unit.plucked_string_measures import deviation_cents, note

NECK_CENTS = 2.0


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_every_fret_of_every_string_is_in_tune(instrument: str) -> None:
    neck = INSTRUMENTS[instrument]
    places = [(string, fret) for string in range(1, neck.strings + 1) for fret in range(neck.frets + 1)]
    off = {place: deviation_cents(note(instrument, *place, seconds=0.7), 0.1, 0.6) for place in places}
    assert {place: cents for place, cents in off.items() if abs(cents) > NECK_CENTS} == {}
