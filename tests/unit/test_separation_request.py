"""Which separations can be asked for, and what is made of the engine's sources."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import InvalidRequest
from core.separation.request import SeparationOptions, SeparationRequest
from core.separation.selection import Selection, check_stems, wanted_sources

FOUR = ("drums", "bass", "other", "vocals")
STEMS = np.arange(4 * 2 * 3, dtype=np.float32).reshape(4, 2, 3) / 100
MIXTURE = STEMS.sum(axis=0) + np.float32(0.5)


def options(**fields: object) -> SeparationOptions:
    return SeparationOptions.model_validate(fields)


def messages(**fields: object) -> str:
    with pytest.raises(ValidationError) as raised:
        options(**fields)
    return "; ".join(error["msg"] for error in raised.value.errors())


def test_a_form_and_metadata_say_it_in_words() -> None:
    said = options(stems="vocals, drums", residual="true", shifts="2", overlap="0.1", format="wav")
    assert said == options(stems=["vocals", "drums"], residual=True, shifts=2, overlap=0.1, format="wav16")


def test_what_does_not_fit_is_refused_in_words() -> None:
    assert "exclude each other" in messages(stems=["vocals"], two_stems="vocals")
    assert "must name at least one" in messages(stems="")
    assert "drums comes again" in messages(stems="drums drums")
    assert "must be 0 to 10 passes" in messages(shifts=11)
    assert "must be 0 to 0.5 of a segment" in messages(overlap=0.6)
    assert "'wav16', 'wav24', 'wav_float', 'flac', 'mp3', 'ogg' or 'm4a'" in messages(format="aiff")


@pytest.mark.parametrize("fields", [{}, {"upload_id": "u", "blob": "inbox/a.wav"}])
def test_a_stored_song_is_named_in_one_way(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="name either upload_id or blob"):
        SeparationRequest.model_validate(fields)


def test_a_stem_that_the_engine_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(
        InvalidRequest, match=r"/two_stems: spectral has no stem 'guitar'; it has drums, bass"
    ) as raised:
        check_stems(options(two_stems="guitar"), FOUR, "spectral")
    assert raised.value.errors[0].pointer == "/two_stems"
    check_stems(options(stems="vocals"), FOUR, "spectral")


def test_an_engine_may_leave_out_what_nobody_wants_unless_the_residual_is_wanted() -> None:
    assert wanted_sources(options()) is None
    assert wanted_sources(options(stems="vocals,bass")) == ("vocals", "bass")
    assert wanted_sources(options(two_stems="vocals")) == ("vocals",)
    assert wanted_sources(options(stems="vocals", residual=True)) is None


def test_chosen_stems_come_in_the_order_they_were_chosen() -> None:
    selection = Selection.of(options(stems="vocals,drums"), FOUR, complete=True)
    picked, residual = selection.pick(STEMS, MIXTURE)
    assert selection.names == ("vocals", "drums")
    np.testing.assert_array_equal(picked, STEMS[[3, 0]])
    np.testing.assert_allclose(residual, 0.5, rtol=1e-6)  # of all the sources, not of those that were chosen


def test_one_stem_and_the_rest_are_the_mixture() -> None:
    selection = Selection.of(options(two_stems="vocals"), ("vocals",), complete=False)
    picked, residual = selection.pick(STEMS[3:], MIXTURE)
    assert selection.names == ("vocals", "no_vocals")
    np.testing.assert_allclose(picked.sum(axis=0), MIXTURE, rtol=1e-6)
    np.testing.assert_allclose(residual, 0, atol=1e-6)


def test_the_residual_is_delivered_as_a_stem() -> None:
    selection = Selection.of(options(residual=True), FOUR, complete=True)
    picked, _ = selection.pick(STEMS, MIXTURE)
    assert selection.names == (*FOUR, "residual")
    np.testing.assert_allclose(picked[-1], 0.5, rtol=1e-6)


def test_without_all_sources_the_residual_cannot_be_told() -> None:
    _, residual = Selection.of(options(stems="vocals"), ("vocals",), complete=False).pick(STEMS[3:], MIXTURE)
    assert residual is None
