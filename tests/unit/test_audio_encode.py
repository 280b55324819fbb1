import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from core.audio.decode import decode, probe
from core.audio.encode import open_encoder
from core.audio.formats import OUTPUT_FORMATS, FormatInfo, OutputFormat, container_of_name
from core.errors import StorageUnavailable
from tests.audio_files import Audio, StagedFile, music

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 37_800, 44100, 48000, 64000, 88200, 96000, 176_400, 192_000)
CASES = [(format, rate) for format, info in OUTPUT_FORMATS.items() for rate in RATES if info.holds(rate)]
HALF_STEP = {"wav16": 2**-16, "wav24": 2**-24, "wav_float": 0.0, "flac": 2**-24}


def encoded(format: OutputFormat, audio: Audio, sample_rate: int = 44100, block_frames: int = 30_011) -> bytes:
    """By way of a file that allows no more than a staged blob does."""
    file = StagedFile()
    encoder = open_encoder(file, format, sample_rate, *audio.shape)
    for start in range(0, audio.shape[1], block_frames):
        encoder.write(audio[:, start : start + block_frames])
    encoder.close()
    return bytes(file.content)


def decoded(content: bytes) -> Audio:
    return np.concatenate(list(decode(io.BytesIO(content), 1000)), axis=1)


@pytest.mark.parametrize(("format", "sample_rate"), CASES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_decodes_to_as_many_frames_as_went_in(format: OutputFormat, sample_rate: int, channels: int) -> None:
    for frames in (1, 2, 100, 1023, 1024, 1025, 3000, sample_rate // 2 + 7):
        content = encoded(format, music(frames / sample_rate, sample_rate, channels), sample_rate)
        assert decoded(content).shape == (channels, frames)
        info = probe(io.BytesIO(content), f"stem{OUTPUT_FORMATS[format].extension}", 1000)
        assert (info.sample_rate, info.channels) == (sample_rate, channels)
        assert info.duration_seconds == pytest.approx(frames / sample_rate, abs=1e-9)


@pytest.mark.parametrize(("format", "sample_rate"), [case for case in CASES if case[0] != "m4a"])
def test_another_decoder_finds_as_many_frames(format: OutputFormat, sample_rate: int) -> None:
    for frames in (1, 1024, sample_rate // 2 + 7):
        content = encoded(format, music(frames / sample_rate, sample_rate), sample_rate)
        samples, rate = soundfile.read(io.BytesIO(content), always_2d=True)
        assert (samples.shape, rate) == ((frames, 2), sample_rate)


def number_in(content: bytes, box: bytes, offset: int) -> int:
    at = content.index(box) + 4 + offset
    return int.from_bytes(content[at : at + 4], "big")


@pytest.mark.parametrize("frames", [1, 1024, 44_107])
def test_the_edit_list_of_an_m4a_says_where_the_music_begins_and_how_long_it_is(frames: int) -> None:
    content = encoded("m4a", music(frames / 44100))
    assert number_in(content, b"mvhd", 12) == 44100  # the clock of the edit list
    assert number_in(content, b"elst", 4) == 1
    assert number_in(content, b"elst", 8) == frames
    assert number_in(content, b"elst", 12) == 1024  # AAC's delay, passed over


@pytest.mark.parametrize("format", [format for format, info in OUTPUT_FORMATS.items() if not info.lossy])
def test_a_lossless_format_keeps_every_sample_to_half_a_step(format: OutputFormat) -> None:
    audio = music(1)
    assert np.abs(decoded(encoded(format, audio)) - audio).max() <= HALF_STEP[format]


@pytest.mark.parametrize("format", ["wav24", "flac"])
def test_24_bits_go_round_without_any_change(format: OutputFormat) -> None:
    steps = np.random.default_rng(5).integers(-(2**23), 2**23, (2, 5000))
    audio = (steps / 2**23).astype(np.float32)
    np.testing.assert_array_equal(decoded(encoded(format, audio)), audio)


@pytest.mark.parametrize("format", [format for format, info in OUTPUT_FORMATS.items() if info.lossy])
def test_a_lossy_format_sounds_like_what_went_in(format: OutputFormat) -> None:
    time = np.arange(2 * 44100) / 44100
    audio = np.stack([0.4 * np.sin(2 * np.pi * f * time) for f in (440, 1000)]).astype(np.float32)
    error = decoded(encoded(format, audio)) - audio
    assert 10 * np.log10(np.mean(audio**2) / np.mean(error**2)) > 30


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
def test_samples_beyond_full_scale_are_cut_off_unless_the_format_holds_them(format: OutputFormat) -> None:
    time = np.arange(44100) / 44100
    audio = np.stack([3 * np.sin(2 * np.pi * 100 * time)] * 2).astype(np.float32)
    largest = np.abs(decoded(encoded(format, audio))).max()
    if OUTPUT_FORMATS[format].clips:
        assert 0.99 <= largest < 1.3  # a lossy codec overshoots what was cut off
    else:
        assert largest == np.abs(audio).max()


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
def test_the_same_samples_give_the_same_bytes_however_they_are_cut_into_blocks(format: OutputFormat) -> None:
    audio = music(4)
    first = encoded(format, audio)
    assert encoded(format, audio) == first
    assert encoded(format, audio, block_frames=777) == first
    assert encoded(format, audio, block_frames=audio.shape[1]) == first


@pytest.mark.parametrize("format", ["flac", "mp3", "ogg", "m4a"])
def test_a_file_larger_than_its_head_is_made_by_appending(format: OutputFormat) -> None:
    seconds = {"flac": 30, "mp3": 150, "ogg": 180, "m4a": 150}[format]
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, seconds * 44100)).astype(np.float32)
    content = encoded(format, noise, block_frames=65_536)
    assert len(content) > StagedFile.HEAD_BYTES
    assert probe(io.BytesIO(content), None, 1000).duration_seconds == seconds


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
def test_silence_is_silence(format: OutputFormat) -> None:
    assert np.abs(decoded(encoded(format, np.zeros((2, 50_000), np.float32)))).max() < 1e-4


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
def test_refuses_what_was_not_promised(format: OutputFormat) -> None:
    encoder = open_encoder(StagedFile(), format, 44100, 2, 1000)
    for wrong in (np.zeros((1, 10)), np.zeros((2, 1001)), np.full((2, 10), np.nan), np.full((2, 10), np.inf)):
        with pytest.raises(ValueError, match="a block"):
            encoder.write(wrong.astype(np.float32))
    encoder.write(np.zeros((2, 999), np.float32))
    with pytest.raises(ValueError, match="1 frames of what was promised did not come"):
        encoder.close()


@pytest.mark.parametrize(
    ("format", "sample_rate"), [("mp3", 96_000), ("m4a", 37_800), ("wav16", 7999), ("ogg", 384_000)]
)
def test_refuses_a_sample_rate_that_the_format_cannot_have(format: OutputFormat, sample_rate: int) -> None:
    assert not OUTPUT_FORMATS[format].holds(sample_rate)
    with pytest.raises(ValueError, match=f"{format} at {sample_rate} Hz"):
        open_encoder(StagedFile(), format, sample_rate, 2, 1000)


class FullFile(StagedFile):
    """Raises ``error`` at the first byte beyond ``room_bytes``."""

    def __init__(self, error: Exception, room_bytes: int) -> None:
        super().__init__()
        self._error, self._room_bytes = error, room_bytes

    def write(self, piece: bytes) -> int:  # type: ignore[override] - as in StagedFile
        if self.tell() + len(piece) > self._room_bytes:
            raise self._error
        return super().write(piece)


@pytest.mark.parametrize("format", OUTPUT_FORMATS)
@pytest.mark.parametrize("room_bytes", [0, 500, 10_000])
def test_an_error_of_the_file_itself_comes_out_as_it_is(
    format: OutputFormat, room_bytes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    error = StorageUnavailable("503")
    audio = music(3)
    with pytest.raises(StorageUnavailable) as caught:
        encoder = open_encoder(FullFile(error, room_bytes), format, 44100, *audio.shape)
        for start in range(0, audio.shape[1], 4096):
            encoder.write(audio[:, start : start + 4096])
        encoder.close()
    assert caught.value is error
    assert capfd.readouterr().err == ""


def test_the_formats_are_known_without_any_codec() -> None:
    code = "import sys, core.audio.formats; sys.exit(bool({'av', 'numpy', 'soundfile'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("info", OUTPUT_FORMATS.values())
def test_what_is_made_could_be_taken_in_again(info: FormatInfo) -> None:
    assert container_of_name(f"stem{info.extension}") is not None
    assert info.sample_rates is None or list(info.sample_rates) == sorted(set(info.sample_rates))
