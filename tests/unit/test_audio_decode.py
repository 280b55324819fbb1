import io
import struct
import time
import tracemalloc
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import soundfile

from core.audio.decode import BLOCK_SECONDS, decode, probe
from core.audio.formats import EXTENSIONS, container_of_name, sniff
from core.audio.libav import WatchedFile
from core.errors import (
    AudioError,
    AudioTooLong,
    DamagedAudio,
    EmptyAudio,
    MislabeledAudio,
    NotAudio,
    SourceChanged,
    StorageUnavailable,
    UnsupportedAudio,
)
from tests.audio_files import (
    EVERY_KIND,
    INEXACT,
    LOSSLESS,
    LOSSY,
    STEP,
    Audio,
    by_libav,
    by_soundfile,
    extension_of,
    music,
    sample_rate_of,
)

LONGEST_SECONDS = 600.0


@cache
def encoded(kind: str, seconds: float = 1.0, channels: int = 2, sample_rate: int | None = None) -> bytes:
    sample_rate = sample_rate or sample_rate_of(kind)
    return EVERY_KIND[kind](music(seconds, sample_rate, channels), sample_rate)


def decoded(content: bytes, longest_seconds: float = LONGEST_SECONDS) -> Audio:
    return np.concatenate(list(decode(io.BytesIO(content), longest_seconds, "a file")), axis=1)


def raised_by_either(content: bytes, filename: str | None = None) -> AudioError:
    """What probe raises, or else decode; it must be one of them."""
    with pytest.raises(AudioError) as caught:
        probe(io.BytesIO(content), filename, LONGEST_SECONDS)
        decoded(content)
    return caught.value


# What comes out


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [1, 100, 1024, 44100, 100_003])
@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_file_gives_back_every_sample(kind: str, frames: int, channels: int) -> None:
    audio = music(frames / 44100, 44100, channels)
    samples = decoded(LOSSLESS[kind](audio, 44100))
    assert samples.dtype == np.float32
    assert samples.shape == audio.shape
    assert np.abs(samples - audio).max() <= STEP.get(kind, 2**-23)


@pytest.mark.parametrize("kind", [kind for kind in LOSSLESS if kind not in ("alac", "ogg_flac")])
def test_a_lossless_file_gives_the_samples_that_another_decoder_gives(kind: str) -> None:
    content = encoded(kind)
    reference, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(decoded(content), reference.T)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [200, 1024, 44100, 100_003])
@pytest.mark.parametrize("kind", LOSSY)
def test_a_lossy_file_is_exactly_as_long_as_what_was_encoded(kind: str, frames: int, channels: int) -> None:
    sample_rate = sample_rate_of(kind)
    audio = music(frames / sample_rate, sample_rate, channels)
    assert decoded(LOSSY[kind](audio, sample_rate)).shape == audio.shape


@pytest.mark.parametrize("kind", LOSSY)
def test_a_lossy_file_begins_where_the_music_begins(kind: str) -> None:
    audio = music(1, sample_rate_of(kind), 1)
    samples = decoded(LOSSY[kind](audio, sample_rate_of(kind)))
    spectrum = np.fft.rfft(samples[0]) * np.conj(np.fft.rfft(audio[0]))
    assert int(np.argmax(np.fft.irfft(spectrum))) == 0


@pytest.mark.parametrize("frames", [1, 127, 128, 1024, 3000, 20_000])
@pytest.mark.parametrize("sample_rate", [8000, 44100, 192_000])
def test_vorbis_agrees_with_the_reference_decoder_however_short(frames: int, sample_rate: int) -> None:
    content = by_soundfile("OGG", "VORBIS")(music(frames / sample_rate, sample_rate), sample_rate)
    reference, _ = soundfile.read(io.BytesIO(content), always_2d=True)
    samples = decoded(content)
    assert samples.shape == reference.T.shape
    assert np.abs(samples - reference.T).max() < 1e-4


@pytest.mark.parametrize("kind", INEXACT)
def test_a_file_without_its_length_keeps_what_the_encoder_added(kind: str) -> None:
    extra = decoded(encoded(kind)).shape[1] - 44100
    assert 0 < extra < 3 * 1152


def test_an_edit_list_in_milliseconds_cuts_nothing_off() -> None:
    audio = music(100_003 / 44100)
    content = by_libav("ipod", "aac", options={"movie_timescale": "1000"})(audio, 44100)
    assert decoded(content).shape == audio.shape


def test_mp3_files_that_were_joined_are_read_to_the_end() -> None:
    content = encoded("mp3")
    assert decoded(content + content).shape[1] > 2 * 44100 - 1152


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_decoding_twice_gives_the_same_samples(kind: str) -> None:
    content = encoded(kind)
    np.testing.assert_array_equal(decoded(content), decoded(content))


@pytest.mark.parametrize("kind", ["wav16", "flac24", "mp3", "m4a", "vorbis", "opus"])
def test_blocks_are_about_a_second_long(kind: str) -> None:
    content = encoded(kind, seconds=4.5)
    lengths = [block.shape[1] / sample_rate_of(kind) for block in decode(io.BytesIO(content), LONGEST_SECONDS)]
    assert all(BLOCK_SECONDS <= length < BLOCK_SECONDS + 0.2 for length in lengths[:-1])
    assert len(lengths) in (4, 5)


@pytest.mark.parametrize("kind", ["wav16", "flac24"])
@pytest.mark.parametrize("sample_rate", [8000, 11025, 37_800, 96_000, 192_000])
def test_takes_every_sample_rate_from_8_to_192_khz(kind: str, sample_rate: int) -> None:
    content = encoded(kind, 0.2, sample_rate=sample_rate)
    assert probe(io.BytesIO(content), None, LONGEST_SECONDS).sample_rate == sample_rate
    assert decoded(content).shape == (2, round(0.2 * sample_rate))


def test_integers_at_their_limits_are_full_scale() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.array([-32768, 0, 32767], np.int16), 44100, format="WAV", subtype="PCM_16")
    assert decoded(file.getvalue()).tolist() == [[-1, 0, 32767 / 32768]]


def test_floats_beyond_full_scale_stay_as_they_are() -> None:
    audio = np.array([[0.5, 4, -3]], np.float32)
    np.testing.assert_array_equal(decoded(LOSSLESS["wav_float"](audio, 44100)), audio)


def test_memory_does_not_grow_with_the_length() -> None:
    def most_bytes(seconds: float) -> int:
        content = io.BytesIO(encoded("wav16", seconds))
        tracemalloc.start()
        for _ in decode(content, LONGEST_SECONDS):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert most_bytes(40) < most_bytes(5) * 1.2


# What probe says


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_probe_says_what_the_file_holds(kind: str) -> None:
    sample_rate = sample_rate_of(kind)
    info = probe(io.BytesIO(encoded(kind, 1.5, channels=1)), f"song{extension_of(kind)}", LONGEST_SECONDS)
    assert (info.sample_rate, info.channels) == (sample_rate, 1)
    assert info.duration_seconds == pytest.approx(1.5, abs=1e-3)
    assert info.container == container_of_name(f"song{extension_of(kind)}")


def test_probe_names_the_codec() -> None:
    codecs = {kind: probe(io.BytesIO(encoded(kind, 0.2)), None, LONGEST_SECONDS).codec for kind in EVERY_KIND}
    assert codecs["wav24"] == "pcm_s24le"
    assert codecs["wav_double"] == "pcm_f64le"
    assert codecs["alac"] == "alac"
    assert codecs["ogg_flac"] == "flac"
    assert codecs["mp3"] == "mp3"
    assert (codecs["vorbis"], codecs["opus"], codecs["aac"]) == ("vorbis", "opus", "aac")


@pytest.mark.parametrize("kind", INEXACT)
def test_probe_does_not_guess_a_length_that_the_file_does_not_state(kind: str) -> None:
    assert probe(io.BytesIO(encoded(kind)), None, LONGEST_SECONDS).duration_seconds is None


class CountingFile(io.BytesIO):
    bytes_read = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.bytes_read += len(piece)
        return piece


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_probe_reads_little_of_a_long_file(kind: str) -> None:
    file = CountingFile(encoded(kind, seconds=60))
    probe(file, None, LONGEST_SECONDS)
    assert file.bytes_read < 700_000


def test_probe_skips_a_tag_with_a_picture_of_megabytes_unread() -> None:
    tag = b"ID3\x04\x00\x00" + bytes([1, 64, 0, 0]) + bytes(3 * 2**20)
    for kind in ("mp3", "aac", "flac24"):
        file = CountingFile(tag + encoded(kind))
        assert probe(file, f"song{extension_of(kind)}", LONGEST_SECONDS).sample_rate == 44100
        assert file.bytes_read < 2**20
        assert decoded(file.getvalue()).shape == decoded(encoded(kind)).shape


@pytest.mark.parametrize("kind", ["mp3_tagged", "m4a_cover"])
def test_a_cover_picture_is_passed_over(kind: str) -> None:
    content = encoded(kind)
    assert b"JFIF" in content or b"\xff\xd8\xff" in content
    assert decoded(content).shape == (2, 44100)


# What a name may say


def test_an_extension_of_another_format_is_refused_by_name() -> None:
    with pytest.raises(MislabeledAudio, match=r"song\.wav: it holds flac"):
        probe(io.BytesIO(encoded("flac24")), "song.wav", LONGEST_SECONDS)


@pytest.mark.parametrize("filename", [None, "", "song", "song.", "song.audio", ".wav"])
def test_an_unknown_or_missing_extension_is_not_held_against_the_file(filename: str | None) -> None:
    assert probe(io.BytesIO(encoded("flac24")), filename, LONGEST_SECONDS).container == "flac"


@pytest.mark.parametrize("container", EXTENSIONS)
def test_extensions_of_one_family_are_one(container: str) -> None:
    kind = {"wav": "wav16", "mp4": "m4a", "ogg": "vorbis", "flac": "flac16"}.get(container, container)
    for extension in EXTENSIONS[container]:
        assert probe(io.BytesIO(encoded(kind)), f"SONG{extension.upper()}", LONGEST_SECONDS).container == container


# What is refused


def test_a_text_named_mp3_is_not_audio() -> None:
    with pytest.raises(NotAudio, match=r"notes\.mp3: none of the formats"):
        probe(io.BytesIO(b"This is a list of chords: C G Am F.\n" * 500), "notes.mp3", LONGEST_SECONDS)


@pytest.mark.parametrize("content", [b"\0", b"RIFF", b"ID3", b"\xff" * 5000, b"\xff\xfb", b"%PDF-1.7 " * 900])
def test_bytes_that_are_no_audio_are_refused(content: bytes) -> None:
    assert sniff(content) is None
    assert isinstance(raised_by_either(content), NotAudio)


@pytest.mark.parametrize("function", [probe, lambda file, _, longest: list(decode(file, longest))])
def test_a_file_of_no_bytes_is_empty(function: Callable[..., object]) -> None:
    with pytest.raises(EmptyAudio, match="0 bytes"):
        function(io.BytesIO(), None, LONGEST_SECONDS)


@pytest.mark.parametrize("kind", ["wav16", "flac24", "wav_float"])
def test_a_header_without_samples_is_empty(kind: str) -> None:
    content = EVERY_KIND[kind](np.zeros((2, 0), np.float32), 44100)
    assert isinstance(raised_by_either(content), EmptyAudio)


@pytest.mark.parametrize(("channels", "major"), [(3, "WAV"), (9, "WAV"), (3, "FLAC"), (8, "FLAC"), (6, "OGG")])
def test_more_than_two_channels_are_refused(channels: int, major: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((1000, channels)), 44100, format=major)
    error = raised_by_either(file.getvalue())
    assert isinstance(error, UnsupportedAudio)
    assert f"{channels} channels; mono and stereo are taken" in error.detail


def test_no_channel_at_all_is_refused() -> None:
    content = bytearray(encoded("wav16"))
    content[22:24] = bytes(2)
    assert isinstance(raised_by_either(bytes(content)), UnsupportedAudio)


@pytest.mark.parametrize("sample_rate", [4000, 7999, 192_001, 384_000])
def test_sample_rates_outside_8_to_192_khz_are_refused(sample_rate: int) -> None:
    error = raised_by_either(encoded("wav16", 0.1, sample_rate=sample_rate))
    assert isinstance(error, UnsupportedAudio)
    assert f"{sample_rate} Hz" in error.detail


def test_a_codec_that_is_not_taken_is_named() -> None:
    file = io.BytesIO()
    soundfile.write(file, music(0.2).T, 44100, format="WAV", subtype="MS_ADPCM")
    error = raised_by_either(file.getvalue())
    assert isinstance(error, UnsupportedAudio)
    assert "adpcm_ms" in error.detail


def test_an_mp4_without_audio_is_not_audio() -> None:
    content = encoded("m4a").replace(b"soun", b"vide").replace(b"smhd", b"vmhd")
    assert isinstance(raised_by_either(content), NotAudio | UnsupportedAudio)


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_is_damaged(kind: str, share: float) -> None:
    content = encoded(kind, seconds=3)
    error = raised_by_either(content[: int(len(content) * share)])
    assert isinstance(error, DamagedAudio)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_file_that_lacks_its_last_byte_is_damaged(kind: str) -> None:
    assert isinstance(raised_by_either(encoded(kind)[:-1]), DamagedAudio)


def with_data_size(size: int) -> bytes:
    content = bytearray(encoded("wav16"))
    content[40:44] = struct.pack("<I", size)
    return bytes(content)


@pytest.mark.parametrize("size", [176_402, 2**31 - 1, 2**32 - 2])
def test_a_wav_header_that_announces_more_than_there_is_is_caught_by_probe(size: int) -> None:
    with pytest.raises(
        DamagedAudio, match=f"a take: the header announces {size:,} bytes of samples, the file has 176,400"
    ):
        probe(io.BytesIO(with_data_size(size)), "a take", LONGEST_SECONDS)


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_a_wav_that_was_written_to_a_pipe_is_read_to_its_end(size: int) -> None:
    assert decoded(with_data_size(size)).shape == (2, 44100)


def test_what_follows_the_samples_of_a_wav_is_no_sound() -> None:
    assert decoded(with_data_size(4000)).shape == (2, 1000)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["wav_float", "wav_double"])
def test_samples_that_are_no_finite_numbers_are_refused(value: float, kind: str) -> None:
    audio = music(1)
    audio[1, 30_000] = value
    with pytest.raises(DamagedAudio, match="not finite"):
        decoded(EVERY_KIND[kind](audio, 44100))


def test_a_double_beyond_float32_is_refused_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.array([1e300, 0]), 44100, format="WAV", subtype="DOUBLE")
    with pytest.raises(DamagedAudio):
        decoded(file.getvalue())
    assert not recwarn.list


@pytest.fixture(scope="module")
def silence_bomb() -> bytes:
    """Three hours of silence in a few hundred kilobytes."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8000, 1, format="FLAC", subtype="PCM_16") as writer:
        for _ in range(3 * 60):
            writer.write(np.zeros(60 * 8000, np.int16))
    return file.getvalue()


def without_total(flac: bytes) -> bytes:
    """STREAMINFO with 0 for the number of samples, which means unknown."""
    content = bytearray(flac)
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def test_hours_of_silence_in_kilobytes_are_refused_by_their_header(silence_bomb: bytes) -> None:
    assert len(silence_bomb) < 300_000
    with pytest.raises(AudioTooLong, match=r"zip: 10800\.0 seconds; at most 600 are taken"):
        probe(io.BytesIO(silence_bomb), "zip", LONGEST_SECONDS)


def test_hours_of_silence_that_announce_nothing_are_stopped_at_the_limit(silence_bomb: bytes) -> None:
    content = without_total(silence_bomb)
    assert probe(io.BytesIO(content), None, LONGEST_SECONDS).duration_seconds is None
    seconds = 0.0
    started = time.process_time()
    with pytest.raises(AudioTooLong, match="goes on after 600 seconds"):
        for block in decode(io.BytesIO(content), LONGEST_SECONDS):
            seconds += block.shape[1] / 8000
    assert seconds <= LONGEST_SECONDS
    assert time.process_time() - started < 10


def test_a_file_exactly_as_long_as_allowed_is_taken() -> None:
    content = encoded("flac16")
    assert probe(io.BytesIO(content), None, 1.0).duration_seconds == 1
    assert decoded(content, longest_seconds=1.0).shape == (2, 44100)


# What is broken inside


def test_one_flipped_bit_in_a_flac_frame_is_damage() -> None:
    content = bytearray(encoded("flac24"))
    content[len(content) // 2] ^= 1
    assert isinstance(raised_by_either(bytes(content)), DamagedAudio)


def with_broken_adts_frames(content: bytes, every: int) -> bytes:
    """Fill the payload of every n-th frame with ones; the headers stay."""
    broken = bytearray(content)
    offset = number = 0
    while offset < len(broken):
        size = (broken[offset + 3] & 3) << 11 | broken[offset + 4] << 3 | broken[offset + 5] >> 5
        if number % every == every - 1:
            broken[offset + 7 : offset + size] = b"\xff" * (size - 7)
        offset, number = offset + size, number + 1
    return bytes(broken)


def test_a_few_packets_that_do_not_decode_become_silence_in_their_place() -> None:
    content = encoded("aac", seconds=6)
    whole, mended = decoded(content), decoded(with_broken_adts_frames(content, every=150))
    assert mended.shape == whole.shape
    silent = np.flatnonzero(~mended.any(axis=0))
    assert 1024 <= silent.size < 4 * 1024
    np.testing.assert_array_equal(mended[:, :100_000], whole[:, :100_000])


def test_too_many_packets_that_do_not_decode_are_damage() -> None:
    with pytest.raises(DamagedAudio, match="packets do not decode, at most 1% may"):
        decoded(with_broken_adts_frames(encoded("aac", seconds=6), every=20))


def test_probe_gives_up_on_a_file_of_which_nothing_decodes() -> None:
    file = CountingFile(with_broken_adts_frames(encoded("aac", seconds=60), every=1))
    with pytest.raises(DamagedAudio, match="none of its first 100 packets decodes"):
        probe(file, None, LONGEST_SECONDS)
    assert file.bytes_read < len(file.getvalue()) / 2


@pytest.mark.parametrize("other", [{"sample_rate": 22050}, {"channels": 1}])
def test_a_change_of_rate_or_channels_midway_is_damage(other: dict[str, int]) -> None:
    with pytest.raises(DamagedAudio):
        decoded(encoded("aac") + encoded("aac", **other))


def test_ogg_files_in_a_chain_are_refused_in_words() -> None:
    with pytest.raises(UnsupportedAudio, match="in a chain"):
        decoded(encoded("vorbis") + encoded("opus"))


def test_vorbis_files_in_a_chain_are_refused_though_they_have_one_serial_number() -> None:
    with pytest.raises(UnsupportedAudio, match="in a chain"):
        decoded(encoded("vorbis") + encoded("vorbis"))


@pytest.mark.parametrize("kind", ["mp3", "wav16", "flac24", "m4a", "vorbis"])
@pytest.mark.parametrize("junk", [b"TAG" + bytes(125), bytes(5000), b"LYRICSBEGIN la la LYRICS200"])
def test_tags_and_junk_after_the_music_are_no_music(kind: str, junk: bytes) -> None:
    np.testing.assert_array_equal(decoded(encoded(kind) + junk), decoded(encoded(kind)))


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "frag_keyframe+empty_moov+delay_moov", "dash"])
@pytest.mark.parametrize(("codec", "sample_format"), [("aac", "fltp"), ("alac", "s16p")])
def test_an_mp4_in_fragments_is_read_to_its_end(flags: str, codec: str, sample_format: str) -> None:
    options = {"movflags": flags, "frag_duration": "200000"}
    content = by_libav("mp4", codec, sample_format, options)(music(1), 44100)
    assert content.count(b"moof") >= 4
    # without delay_moov the file does not say what AAC put before the music
    assert decoded(content).shape[1] in (44100, 44100 + 1024)


def test_ffmpeg_is_quiet_about_what_is_broken(capfd: pytest.CaptureFixture[str]) -> None:
    for kind in EVERY_KIND:
        content = encoded(kind)
        raised_by_either(content[: int(len(content) * 0.6)])
    assert capfd.readouterr() == ("", "")


# What hostile files try


def boxed(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


@pytest.mark.parametrize(
    "table",
    [
        boxed(b"stsz", struct.pack(">III", 0, 1, 10**8)),
        boxed(b"stts", struct.pack(">IIII", 0, 1, 10**8, 1)),
        boxed(b"trun", struct.pack(">III", 0, 10**8, 0)),
        boxed(b"stsc", struct.pack(">IIIII", 0, 1, 1, 10**8, 1)) + boxed(b"stco", struct.pack(">III", 0, 1, 0)),
        boxed(b"elst", struct.pack(">II", 0, 10**4)),
    ],
    ids=["sizes", "times", "a fragment", "chunks", "edits"],
)
def test_an_mp4_table_that_would_fill_the_memory_is_refused_unread(table: bytes) -> None:
    header = boxed(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 44100, 0))
    content = boxed(b"ftyp", b"M4A \0\0\0\0") + boxed(b"moov", header + boxed(b"trak", boxed(b"mdia", table)))
    with pytest.raises(DamagedAudio, match=r"more packets than the file can hold|an edit list of more than"):
        probe(io.BytesIO(content), "bomb.m4a", LONGEST_SECONDS)


def test_many_mp4_tables_are_added_up() -> None:
    header = boxed(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 44100, 0))
    track = boxed(b"trak", boxed(b"udta", boxed(b"stsz", struct.pack(">III", 0, 1, 1000))))
    content = boxed(b"ftyp", b"M4A \0\0\0\0") + boxed(b"moov", header + 50 * track)
    assert 1000 < len(content) < 50 * 1000
    with pytest.raises(DamagedAudio, match="the stsz tables claim more packets than the file can hold"):
        probe(io.BytesIO(content), "bomb.m4a", LONGEST_SECONDS)


def test_an_mp4_table_within_what_the_file_could_hold_is_refused_if_no_audio_needs_it() -> None:
    content = bytearray(encoded("m4a"))
    at = content.index(b"stsz") + 8
    content[at : at + 8] = struct.pack(">II", 1, 5_000_000)
    content += boxed(b"free", bytes(6_000_000))
    with pytest.raises(DamagedAudio, match="the stsz tables claim more packets"):
        probe(io.BytesIO(content), "bomb.m4a", LONGEST_SECONDS)


def test_mp4_boxes_within_boxes_are_not_followed_for_ever() -> None:
    nest = boxed(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 44100, 0))
    for _ in range(2000):
        nest = boxed(b"moov", nest)
    with pytest.raises(DamagedAudio, match="more than 10 deep"):
        probe(io.BytesIO(boxed(b"ftyp", b"M4A \0\0\0\0") + nest), "nest.m4a", LONGEST_SECONDS)


@pytest.mark.parametrize("playlist", [
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"<?xml version='1.0'?><MPD></MPD>",
])  # fmt: skip
def test_a_playlist_opens_nothing(playlist: bytes) -> None:
    for name in ("a.mp3", "a.m4a", "a.wav", None):
        with pytest.raises(NotAudio):
            probe(io.BytesIO(playlist), name, LONGEST_SECONDS)


def test_an_mp4_that_refers_to_another_file_does_not_get_it() -> None:
    content = encoded("alac")
    reference = boxed(b"url ", bytes(4) + b"file:///etc/passwd\0")
    self_contained = boxed(b"url ", b"\0\0\0\1")
    assert self_contained in content
    # the index comes last, so growing it moves no sample
    grown = content.replace(self_contained, reference)
    for parent in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = grown.index(parent) - 4
        size = int.from_bytes(grown[at : at + 4], "big") + len(reference) - len(self_contained)
        grown = grown[:at] + struct.pack(">I", size) + grown[at + 4 :]
    np.testing.assert_array_equal(decoded(grown), decoded(content))


# What the file object raises


class FailingFile(io.BytesIO):
    """Raises ``error`` once ``allowed_bytes`` were read."""

    def __init__(self, content: bytes, error: Exception, allowed_bytes: int) -> None:
        super().__init__(content)
        self._error, self._allowed_bytes = error, allowed_bytes

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self._allowed_bytes -= len(piece)
        if self._allowed_bytes < 0:
            raise self._error
        return piece


@pytest.mark.parametrize("error", [SourceChanged("it was replaced"), StorageUnavailable("503"), RuntimeError("a bug")])
@pytest.mark.parametrize("kind", ["wav16", "flac24", "mp3", "m4a", "vorbis", "opus", "aac"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_an_error_of_the_file_itself_comes_out_as_it_is(
    kind: str, error: Exception, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    content = encoded(kind, seconds=20)
    with pytest.raises(type(error)) as caught:
        list(decode(FailingFile(content, error, int(len(content) * share)), LONGEST_SECONDS, "song"))
    assert caught.value is error
    assert capfd.readouterr().err == ""


def test_an_error_of_the_file_comes_out_of_probe_as_it_is() -> None:
    for allowed_bytes in (0, 40_000):
        error = StorageUnavailable("503")
        with pytest.raises(StorageUnavailable) as caught:
            probe(FailingFile(encoded("wav16"), error, allowed_bytes), None, LONGEST_SECONDS)
        assert caught.value is error


def test_decoding_may_stop_after_any_block() -> None:
    file = io.BytesIO(encoded("flac24", 3))
    blocks = decode(file, LONGEST_SECONDS)
    next(blocks)
    blocks.close()
    assert not file.closed


def test_a_file_that_returns_more_than_asked_cannot_overflow_a_librarys_buffer() -> None:
    class Generous(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(-1)

    assert WatchedFile(Generous(b"0123456789")).read(4) == b"0123"
