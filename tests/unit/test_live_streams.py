"""Streams of audio that arrive in pieces cut anywhere, and their way to the rate of analysis."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.analysis.harmony.chroma import ANALYSIS_RATE
from core.audio.wav import encode_wav, wav_header
from core.errors import AudioTooLong, DamagedAudio, NotAudio, UnsupportedAudio
from core.live.messages import Form
from core.live.ogg_packets import MOST_PACKET_BYTES, OggPackets
from core.live.packet_stream import MOST_SECONDS_AT_ONCE, PacketStream
from core.live.sampling import ToAnalysisRate
from core.live.state import pack, unpack
from core.live.streams import Stream, begun_by, may_begin, restored, stated_by
from core.live.wav_stream import Samples, WavStream
from tests.audio_files import Audio, by_libav, by_soundfile, music
from tests.unit.live_client import pieces

OPUS = by_libav("ogg", "libopus", "flt", {"page_duration": "200000"})
VORBIS = by_soundfile("OGG", "VORBIS")


def heard(stream: Stream, content: Iterable[bytes]) -> NDArray[np.float32]:
    blocks = [block for piece in content for block in stream.blocks(piece)]
    return np.concatenate([np.zeros(0, np.float32), *blocks])


def heard_by_several(stream: Stream, content: Iterable[bytes]) -> NDArray[np.float32]:
    """Every piece by another process."""
    blocks = [np.zeros(0, np.float32)]
    for piece in content:
        blocks += stream.blocks(piece)
        stream = restored(unpack(pack(stream.state())))
    return np.concatenate(blocks)


def random_pieces(content: bytes, longest: int, seed: int = 1) -> list[bytes]:
    cuts = np.cumsum(np.random.default_rng(seed).integers(1, longest, len(content)))
    places = [0, *cuts[cuts < len(content)].tolist(), len(content)]
    return [content[start:end] for start, end in pairwise(places)]


def wav(audio: Audio, subtype: str, rate: int = 44100, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, audio.T, rate, format=kind, subtype=subtype)
    return file.getvalue()


# WAV

STEPS = {"PCM_U8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 1e-7, "DOUBLE": 1e-7}


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", STEPS)
def test_every_encoding_of_wav_is_heard_as_it_is(subtype: str, channels: int, kind: str) -> None:
    audio = music(0.05, channels=channels)
    found = heard(WavStream(), random_pieces(wav(audio, subtype, kind=kind), 50))
    assert np.abs(found[: audio.shape[1]] - audio.mean(axis=0)).max() <= 1.01 * STEPS[subtype]
    assert found.size - audio.shape[1] <= 1


@settings(deadline=None)
@given(st.integers(1, 400), st.sampled_from(["PCM_16", "PCM_24", "FLOAT"]))
def test_wav_may_be_cut_anywhere(size: int, subtype: str) -> None:
    content = wav(music(0.02), subtype)
    assert np.array_equal(heard(WavStream(), pieces(content, size)), heard(WavStream(), [content]))
    assert np.array_equal(heard_by_several(WavStream(), pieces(content, size)), heard(WavStream(), [content]))


@pytest.mark.parametrize("announced", [0, 2**32 - 1])
def test_a_header_that_does_not_know_the_length_is_followed_by_samples_without_end(announced: int) -> None:
    content = bytearray(wav(music(0.1, channels=1), "PCM_16"))
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", announced)
    assert heard(WavStream(), [bytes(content), bytes(2000)]).size == 4410 + 1000


def test_samples_go_on_behind_a_header_that_counted_only_the_first_message() -> None:
    audio = music(0.2, channels=1)
    whole = b"".join(encode_wav([audio], audio.shape[1], 44100, 1))
    first = wav_header(4410, 44100, 1) + whole[44 : 44 + 8820]
    found = heard(WavStream(), [first, whole[44 + 8820 :]])
    assert np.array_equal(found, heard(WavStream(), [whole]))


def test_files_that_follow_each_other_are_heard_one_after_the_other() -> None:
    one, two = wav(music(0.03), "PCM_16"), wav(music(0.05, channels=1), "PCM_24")
    assert heard(WavStream(), random_pieces(one + two + one, 99)).size == 2 * 1323 + 2205


def test_chunks_besides_the_samples_are_passed_over() -> None:
    content = wav(music(0.02), "PCM_16")
    place = content.index(b"data")
    extra = struct.pack("<4sI", b"LIST", 100_001) + bytes(100_002)
    assert np.array_equal(
        heard(WavStream(), pieces(content[:place] + extra + content[place:], 777)), heard(WavStream(), [content])
    )


@pytest.mark.parametrize(
    ("tag", "channels", "rate", "bits", "expected"),
    [
        (1, 3, 44100, 16, "3 channels; mono and stereo"),
        (1, 0, 44100, 16, "0 channels"),
        (1, 1, 100, 16, "100 Hz; 8,000 to 192,000 Hz"),
        (1, 1, 2**32 - 1, 16, "Hz are taken"),
        (6, 1, 8000, 8, "kind 6 with 8 bits"),
        (1, 1, 8000, 12, "kind 1 with 12 bits"),
        (3, 1, 8000, 16, "kind 3 with 16 bits"),
    ],
)
def test_a_wav_that_is_not_taken_says_what_is(tag: int, channels: int, rate: int, bits: int, expected: str) -> None:
    layout = struct.pack("<HHIIHH", tag, channels, rate, 0, 0, bits)
    content = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + layout + b"data\0\0\0\0" + bytes(100)
    with pytest.raises(UnsupportedAudio, match=expected):
        heard(WavStream(), pieces(content, 5))


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF\0\0\0\0AVI LIST",
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \x05\0\0\0hello",
        b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff",
    ],
)
def test_a_header_that_makes_no_sense_is_no_audio(content: bytes) -> None:
    with pytest.raises(NotAudio):
        heard(WavStream(), [content])


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_damage_and_what_follows_is_heard(poison: float) -> None:
    stream = Samples(44100, 1, "f32")
    with pytest.raises(DamagedAudio, match="not finite"):
        heard(stream, [np.array([0.0, poison], "<f4").tobytes()])
    assert heard(stream, [np.array([0.5, -0.5], "<f4").tobytes()]).tolist() == [0.5, -0.5]


def test_huge_samples_are_damage_or_clipped() -> None:
    with pytest.raises(DamagedAudio):
        heard(Samples(44100, 1, "f64"), [np.array([1e300], "<f8").tobytes()])
    assert np.abs(heard(Samples(44100, 1, "f32"), [np.array([3e38, -3e38], "<f4").tobytes()])).max() < 10


# Ogg

CODED: dict[str, tuple[Callable[[Audio, int], bytes], int]] = {"opus": (OPUS, 48000), "vorbis": (VORBIS, 44100)}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("codec", CODED)
def test_ogg_is_heard_as_its_decoder_would_hear_the_file(codec: str, channels: int) -> None:
    encode, rate = CODED[codec]
    content = encode(music(1.5, rate, channels), rate)
    whole, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    stream = PacketStream("ogg")
    found = heard(stream, random_pieces(content, 2000))
    assert stream.sample_rate == rate
    assert 0 <= found.size - len(whole) < 2048  # an encoder's padding at the end is heard: the end is not known before
    assert np.abs(found[: len(whole)] - whole.mean(axis=1)).max() < 2e-4


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 3000), st.sampled_from(sorted(CODED)))
def test_ogg_may_be_cut_anywhere(size: int, codec: str) -> None:
    encode, rate = CODED[codec]
    content = encode(music(0.5, rate, 1), rate)
    assert np.array_equal(heard(PacketStream("ogg"), pieces(content, size)), heard(PacketStream("ogg"), [content]))


@pytest.mark.parametrize("codec", CODED)
def test_another_process_goes_on_with_ogg_as_if_it_had_heard_all(codec: str) -> None:
    """Vorbis to the bit; what Opus remembers has faded to less than 16 bits hold after half a second."""
    encode, rate = CODED[codec]
    content = encode(music(3.0, rate, 2), rate)
    one, several = (
        heard(PacketStream("ogg"), [content]),
        heard_by_several(PacketStream("ogg"), random_pieces(content, 3000)),
    )
    assert np.abs(one - several).max() <= (0 if codec == "vorbis" else 2**-16)


def test_ogg_files_in_a_chain_are_heard_one_after_the_other() -> None:
    opus, vorbis = OPUS(music(0.5, 48000), 48000), VORBIS(music(0.5), 44100)
    both = heard(PacketStream("ogg"), random_pieces(opus + vorbis, 500))
    assert both.size == heard(PacketStream("ogg"), [opus]).size + heard(PacketStream("ogg"), [vorbis]).size


def test_streams_beside_the_music_are_passed_over() -> None:
    content = OPUS(music(0.5, 48000), 48000)
    second = content.index(b"OggS", 4)
    other_head = _page(b"\x80theora--", b"film", first=True)
    other = _page(bytes(3000), b"film")
    found = heard(PacketStream("ogg"), random_pieces(content[:second] + other_head + content[second:] + other, 100))
    assert np.array_equal(found, heard(PacketStream("ogg"), [content]))


def test_bytes_lost_in_between_cost_no_more_than_their_page() -> None:
    content = OPUS(music(3.0, 48000), 48000)
    pages = [place for place in range(len(content)) if content.startswith(b"OggS", place)]
    lost = content[: pages[6] + 50] + content[pages[7] + 10 :]
    whole = heard(PacketStream("ogg"), [content])
    found = []
    with suppress(DamagedAudio):  # the packet across the gap
        found += PacketStream("ogg").blocks(lost)
    assert whole.size - 3 * 9600 <= sum(block.size for block in found) < whole.size


def test_packets_that_do_not_decode_are_said_and_the_others_heard() -> None:
    content = OPUS(music(1.0, 48000), 48000)
    stream = PacketStream("ogg")
    serial = content[14:18]
    good = heard(stream, [content])
    with pytest.raises(DamagedAudio, match="1 of 1 packets did not decode"):
        heard(stream, [_page(b"\xff\xff\xff", serial)])
    assert good.size > 0
    assert heard(stream, [content[content.index(b"OggS", 300) :]]).size > 0


@pytest.mark.parametrize(
    "head",
    [
        b"OpusHead",
        b"OpusHead\x01\x06\0\0\0\0\0\0\0\0\0\0\x01",
        b"\x01vorbis" + bytes(23),
        b"OpusHead\x01\x09" + bytes(9),
    ],
)
def test_ogg_that_is_not_taken_is_refused(head: bytes) -> None:
    with pytest.raises(UnsupportedAudio):
        heard(PacketStream("ogg"), [_page(head, b"head", first=True), _page(b"\xfc", b"head")])


def test_vorbis_without_its_tables_is_refused() -> None:
    content = VORBIS(music(0.2), 44100)
    with pytest.raises(UnsupportedAudio, match="without its tables"):
        heard(PacketStream("ogg"), [content[: content.index(b"OggS", 4)], _page(b"\x00\x01", content[14:18])])


def test_a_message_holds_a_minute_of_ogg_at_most() -> None:
    """An hour of silence in Opus fits 100 kB."""
    head = b"OpusHead\x01\x01" + bytes(9)
    silence = b"".join(_page(b"\xf8" * 50, b"long", sizes=[1] * 50) for _ in range(100))
    stream = PacketStream("ogg")
    blocks: list[NDArray[np.float32]] = []
    with pytest.raises(AudioTooLong, match="60 seconds"):
        blocks.extend(stream.blocks(_page(head, b"long", first=True) + silence))
    assert 60 * 48000 <= sum(block.size for block in blocks) <= (MOST_SECONDS_AT_ONCE + 1) * 48000
    assert heard(stream, [silence[: len(silence) // 100]]).size > 0, "the next message is heard"


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=600), st.integers(0, 3000))
def test_whatever_an_ogg_stream_holds_it_is_heard_or_refused(rubbish: bytes, place: int) -> None:
    content = OPUS(music(0.2, 48000), 48000)
    stream = PacketStream("ogg")
    for piece in (content[:place] + rubbish, content[place:], rubbish):
        with suppress(UnsupportedAudio, DamagedAudio):
            heard(stream, [piece])
        stream = PacketStream.restored(unpack(pack(stream.state())))


def test_what_is_kept_of_pages_is_little_more_than_a_packet() -> None:
    packets = OggPackets((b"OpusHead",))
    endless = _page(b"OpusHead", b"big!", first=True) + _page(bytes(255 * 255), b"big!", sizes=[255] * 255)
    assert {packet for _, packet in packets.packets(endless * 3)} == {b"OpusHead"}
    assert len(pack(packets.state())) < MOST_PACKET_BYTES + 1000


def _page(body: bytes, serial: bytes, first: bool = False, sizes: list[int] | None = None) -> bytes:
    """One page with a packet, or packets of these sizes."""
    lacing = sizes or [255] * (len(body) // 255) + [len(body) % 255]
    header = b"OggS\0" + bytes([2 if first else 0]) + bytes(8) + serial + bytes(8) + bytes([len(lacing)])
    return header + bytes(lacing) + body


# WebM


def webm(codec: str, channels: int = 1, seconds: float = 1.0) -> bytes:
    """Opus as a recorder makes it, which cannot seek back; Vorbis out of an Ogg file."""
    if codec == "opus":
        return by_libav("webm", "libopus", "flt", {"live": "1"})(music(seconds, 48000, channels), 48000)
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(VORBIS(music(seconds, 44100, channels), 44100))) as source,
        av.open(file, "w", format="webm") as output,
    ):
        stream = output.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("codec", CODED)
def test_webm_is_heard_as_the_same_packets_in_ogg(codec: str, channels: int) -> None:
    encode, rate = CODED[codec]
    wanted = heard(PacketStream("ogg"), [encode(music(1.0, rate, channels), rate)])
    found = heard(PacketStream("webm"), random_pieces(webm(codec, channels), 700))
    size = min(found.size, wanted.size)
    assert size > 0.95 * rate
    assert np.abs(found[:size] - wanted[:size]).max() < 2**-16


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 3000), st.sampled_from(sorted(CODED)))
def test_webm_may_be_cut_anywhere_and_moved_anywhere(size: int, codec: str) -> None:
    content = webm(codec, seconds=0.5)
    whole = heard(PacketStream("webm"), [content])
    assert np.array_equal(heard(PacketStream("webm"), pieces(content, size)), whole)
    assert np.abs(heard_by_several(PacketStream("webm"), pieces(content, size)) - whole).max() <= 2**-16


def test_recordings_in_webm_follow_each_other() -> None:
    one, two = webm("opus"), webm("vorbis", 2)
    sizes = [heard(PacketStream("webm"), [content]).size for content in (one, two)]
    assert heard(PacketStream("webm"), random_pieces(one + two, 900)).size == sum(sizes)


@pytest.mark.parametrize(
    "rest",
    [
        bytes(40),
        b"\x18S\x80g\xff\xec\xff" + bytes(20),
        b"\x16T\xaek\xff\xae\xff\xd7\x81\x01\x86\x88A_VORBISc\xa2\x81\x02",
    ],
)
def test_webm_that_makes_no_sense_is_no_audio(rest: bytes) -> None:
    with pytest.raises((NotAudio, UnsupportedAudio)):
        heard(PacketStream("webm"), [b"\x1aE\xdf\xa3\x80" + rest])


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=600), st.integers(0, 3000))
def test_whatever_a_webm_stream_holds_it_is_heard_or_refused(rubbish: bytes, place: int) -> None:
    content = webm("opus", seconds=0.2)
    stream = PacketStream("webm")
    with suppress(UnsupportedAudio, DamagedAudio, NotAudio):
        for piece in (content[:place] + rubbish, content[place:], rubbish):
            heard(stream, [piece])
            stream = PacketStream.restored(unpack(pack(stream.state())))


# Which stream it is


def test_containers_are_told_by_their_first_bytes() -> None:
    assert isinstance(begun_by(wav(music(0.01), "PCM_16"), anything=True), WavStream)
    assert isinstance(begun_by(OPUS(music(0.1, 48000), 48000), anything=False), PacketStream)
    assert begun_by(bytes(100), anything=True) is None
    assert may_begin(b"RI") and may_begin(b"OggS") and not may_begin(b"RX") and not may_begin(bytes(12))


@pytest.mark.parametrize(("head", "name"), [(b"fLaC", "FLAC"), (b"ID3", "MP3"), (b"\0\0\0\x18ftypM4A ", "MP4")])
def test_other_containers_are_named_and_refused(head: bytes, name: str) -> None:
    stream = begun_by(head + bytes(30), anything=True)
    assert stream is not None
    with pytest.raises(UnsupportedAudio, match=f"{name}.* not taken; WAV, Ogg"):
        heard(stream, [bytes(1)])


def test_bytes_without_a_container_are_what_the_client_says() -> None:
    stream = stated_by(Form("pcm", 16000, 2))
    assert (stream.sample_rate, heard(stream, [b"\0\x40\0\0"]).tolist()) == (16000, [0.25])
    with pytest.raises(UnsupportedAudio, match="said to be ogg"):
        heard(stated_by(Form("ogg")), [bytes(100)])


# The rate of analysis


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("hz", [55, 440, 3000])
def test_a_tone_is_the_same_at_the_rate_of_analysis(rate: int, hz: int) -> None:
    """Within −75 dB of the tone."""
    found = ToAnalysisRate(rate).add(_tone(hz, rate, 1.0))
    expected = _tone(hz, ANALYSIS_RATE, 1.0)[: found.size]
    assert found.size > 0.9 * ANALYSIS_RATE
    assert np.abs(found - expected)[500:].max() < 2e-4


@pytest.mark.parametrize("rate", [44100, 48000, 96000, 192000])
def test_what_lies_above_half_the_new_rate_is_gone(rate: int) -> None:
    assert np.abs(ToAnalysisRate(rate).add(_tone(15000, rate, 0.5))[500:]).max() < 2e-4


@pytest.mark.parametrize("rate", [8003, 22067, 44057, 64000, 100_000, 176_400, 191_999])
def test_odd_rates_are_taken_for_a_ratio_close_by(rate: int) -> None:
    """At worst 1.4 cents off."""
    found = ToAnalysisRate(rate).add(_tone(440, rate, 2.0))
    crossings = np.flatnonzero((found[1000:-1] < 0) & (found[1001:] >= 0))
    hz = ANALYSIS_RATE * (len(crossings) - 1) / (crossings[-1] - crossings[0])
    assert abs(1200 * np.log2(hz / 440)) < 1.5


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([8000, 22050, 44100, 48000, 100_000]), st.lists(st.integers(0, 4000), min_size=2, max_size=12))
def test_resampling_depends_neither_on_cuts_nor_on_processes(rate: int, sizes: list[int]) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, sum(sizes)).astype(np.float32)
    whole = ToAnalysisRate(rate).add(samples)
    resampler, found = ToAnalysisRate(rate), []
    for part in np.split(samples, np.cumsum(sizes)):
        found.append(resampler.add(part))
        state = resampler.state()
        resampler = ToAnalysisRate(rate)
        resampler.restore(state)
    assert np.allclose(np.concatenate(found), whole, atol=1e-6)


def _tone(hz: float, rate: int, seconds: float) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate).astype(np.float32)


# The state as bytes


def test_a_state_comes_back_as_it_was() -> None:
    state = {"a": [1, None, True, "ü"], "b": {"c": b"\0\xff", "d": np.arange(6, dtype=np.float64).reshape(2, 3)}}
    found = unpack(pack(state))
    assert found["a"] == state["a"] and found["b"]["c"] == b"\0\xff"
    assert np.array_equal(found["b"]["d"], np.arange(6).reshape(2, 3))


@given(st.integers(0, 300), st.integers(1, 255))
def test_a_state_that_was_damaged_is_refused(place: int, change: int) -> None:
    packed = bytearray(pack({"a": bytes(200), "b": np.zeros(20)}))
    packed[place % len(packed)] ^= change
    with pytest.raises(ValueError, match="state"):
        unpack(bytes(packed))


@given(st.binary(max_size=100))
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        unpack(data)
