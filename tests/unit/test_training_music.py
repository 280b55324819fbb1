from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.engines.encodec.codec import Codec
from core.engines.encodec.codec_files import load_codec
from tests.audio_files import EVERY_KIND, extension_of, music, sample_rate_of
from tests.encodec_models import DIMENSION, FRAME_LENGTH, codec_folder
from tests.unit.training_runs import one_thread_and_the_same_bits
from training import latents
from training.errors import TrainingError, TrainingStopped
from training.latents import LatentCache, Track, encoded, read_music
from training.music import find_music, mono

__all__ = ["one_thread_and_the_same_bits"]

SAMPLE_RATE = 24000


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return load_codec(codec_folder(tmp_path_factory.mktemp("codec")))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded, in order."""
    names: list[str] = []

    def counting(path: Path, sample_rate: int) -> Iterator[Any]:
        names.append(path.name)
        return mono(path, sample_rate)

    monkeypatch.setattr(latents, "mono", counting)
    return names


def song(path: Path, seconds: float = 2.0, seed: int = 0, kind: str = "flac16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(EVERY_KIND[kind](music(seconds, sample_rate_of(kind), seed=seed), sample_rate_of(kind)))
    return path


def read(paths: list[Path], cache: LatentCache, fewest_frames: int = 1) -> tuple[list[Track], dict[str, str]]:
    """The tracks, and what was left out with its reason."""
    left_out: dict[str, str] = {}
    kept = read_music(
        paths, cache.track, fewest_frames, lambda: None, lambda path, why: left_out.update({path.name: why})
    )
    return kept, left_out


def test_music_is_found_in_all_folders_and_in_one_order(tmp_path: Path) -> None:
    for name in ("b/2.wav", "a/deep/1.MP3", "c.opus", "notes.txt", "cover.jpg", ".hidden/3.wav", "d/.4.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"-")
    found = [path.relative_to(tmp_path).as_posix() for path in find_music(tmp_path)]
    assert found == ["a/deep/1.MP3", "b/2.wav", "c.opus"]


def test_a_link_is_followed_once_and_not_in_a_circle(tmp_path: Path) -> None:
    for name in ("music/a/1.wav", "elsewhere/2.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"-")
    (tmp_path / "music/a/back").symlink_to(tmp_path / "music")
    (tmp_path / "music/linked").symlink_to(tmp_path / "elsewhere")
    found = [path.relative_to(tmp_path).as_posix() for path in find_music(tmp_path / "music")]
    assert found == ["music/a/1.wav", "music/linked/2.wav"]


@pytest.mark.parametrize("make", [lambda folder: folder / "not there", lambda folder: folder])
def test_a_folder_without_music_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    (tmp_path / "notes.txt").write_text("-")
    with pytest.raises(TrainingError, match=r"not there is no folder|holds no audio files"):
        find_music(make(tmp_path))


@pytest.mark.parametrize("kind", ["wav16", "flac24", "mp3", "m4a", "vorbis", "opus"])
def test_every_format_becomes_mono_at_the_rate_of_the_codec(tmp_path: Path, kind: str) -> None:
    samples = np.concatenate(list(mono(song(tmp_path / f"a{extension_of(kind)}", kind=kind), SAMPLE_RATE)), axis=1)
    assert samples.shape == (1, 2 * SAMPLE_RATE)
    spectrum = np.abs(np.fft.rfft(samples[0]))
    loudest = sorted(np.argsort(spectrum[: 2 * 400])[-2:] / 2)  # Hz, half a one apart
    assert loudest == [220, 330]


def test_latents_are_those_of_the_codec_rounded_to_float16(tmp_path: Path, codec: Codec) -> None:
    path = song(tmp_path / "a.flac")
    track = LatentCache(tmp_path / "cache", codec, "codec", "cpu").track(path)
    samples = np.concatenate(list(mono(path, SAMPLE_RATE)), axis=1)
    with torch.inference_mode():
        expected = codec.encode(torch.from_numpy(samples)[None])[0].T.numpy()
    assert track.frames == 2 * SAMPLE_RATE / FRAME_LENGTH
    assert track.open().shape == (track.frames, DIMENSION)
    assert np.array_equal(track.open(), expected.astype(np.float16))


def test_a_long_file_is_encoded_in_pieces_that_fit_together(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = music(7.3, SAMPLE_RATE, channels=1)
    blocks = [samples[:, start : start + 10_007] for start in range(0, samples.shape[1], 10_007)]
    whole = np.concatenate(list(encoded(blocks, codec, "cpu"))).astype(np.float32)
    monkeypatch.setattr(latents, "_PIECE_SECONDS", 2)
    pieces = list(encoded(blocks, codec, "cpu"))
    assert [len(piece) for piece in pieces] == [300, 300, 300, 195]
    error = np.abs(np.concatenate(pieces).astype(np.float32) - whole)
    assert error.max() < 0.01 * whole.std()
    assert len(whole) == -(-samples.shape[1] // FRAME_LENGTH)


@pytest.mark.parametrize("seconds", [0.001, 1.0, 2.0, 3.0, 3.9999])
def test_no_frame_is_lost_whatever_the_length(codec: Codec, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(latents, "_PIECE_SECONDS", 1)
    samples = music(seconds, SAMPLE_RATE, channels=1)
    assert sum(map(len, encoded([samples], codec, "cpu"))) == -(-samples.shape[1] // FRAME_LENGTH)


def test_a_second_run_decodes_nothing(tmp_path: Path, codec: Codec, decoded: list[str]) -> None:
    paths = [song(tmp_path / f"{seed}.flac", seed=seed) for seed in range(3)]
    first, _ = read(paths, LatentCache(tmp_path / "cache", codec, "codec", "cpu"))
    assert decoded == ["0.flac", "1.flac", "2.flac"]
    again, _ = read(paths, LatentCache(tmp_path / "cache", codec, "codec", "cpu"))
    assert again == first
    assert len(decoded) == 3


def test_what_changed_is_encoded_again_and_nothing_else(tmp_path: Path, codec: Codec, decoded: list[str]) -> None:
    paths = [song(tmp_path / f"{seed}.flac", seed=seed) for seed in range(2)]
    before, _ = read(paths, LatentCache(tmp_path / "cache", codec, "codec", "cpu"))
    song(paths[1], seconds=3, seed=9)
    paths[0] = paths[0].rename(tmp_path / "renamed.flac")
    after, _ = read(paths, LatentCache(tmp_path / "cache", codec, "codec", "cpu"))
    assert decoded == ["0.flac", "1.flac", "1.flac"]
    assert after[0] == before[0]
    assert after[1].frames == 450


def test_another_codec_has_latents_of_its_own(tmp_path: Path, codec: Codec, decoded: list[str]) -> None:
    path = song(tmp_path / "a.flac")
    other = load_codec(codec_folder(tmp_path / "other", seed=1))
    one, another = (
        LatentCache(tmp_path / "cache", made_by, digest, "cpu").track(path)
        for made_by, digest in ((codec, "one"), (other, "another"))
    )
    assert len(decoded) == 2
    assert not np.array_equal(one.open(), another.open())


def test_a_file_that_broke_off_while_it_was_encoded_leaves_nothing(tmp_path: Path, codec: Codec) -> None:
    path = song(tmp_path / "a.flac", seconds=3)
    path.write_bytes(path.read_bytes()[:-20_000])
    kept, left_out = read([path], LatentCache(tmp_path / "cache", codec, "codec", "cpu"))
    assert not kept
    assert set(left_out) == {"a.flac"}
    assert not list((tmp_path / "cache").rglob("*.npy"))


@pytest.mark.parametrize("left", [b"", b"\0" * 1000, "half"])
def test_latents_that_a_power_cut_left_in_parts_are_made_again(
    tmp_path: Path, codec: Codec, decoded: list[str], left: bytes | str
) -> None:
    path, cache = song(tmp_path / "a.flac"), LatentCache(tmp_path / "cache", codec, "codec", "cpu")
    stored = cache.track(path).latents
    whole = stored.read_bytes()
    stored.write_bytes(left if isinstance(left, bytes) else whole[: len(whole) // 2])
    assert cache.track(path).frames == 300
    assert stored.read_bytes() == whole
    assert len(decoded) == 2


def test_a_file_without_a_sample_is_left_out(tmp_path: Path, codec: Codec) -> None:
    path = song(tmp_path / "a.wav", seconds=0, kind="wav16")
    kept, left_out = read([path], LatentCache(tmp_path / "cache", codec, "codec", "cpu"))
    assert not kept
    assert set(left_out) == {"a.wav"}


def test_what_cannot_be_used_is_named_with_its_reason_and_left_out(tmp_path: Path, codec: Codec) -> None:
    good, copy, short = (song(tmp_path / name, 2) for name in ("good.flac", "copy.flac", "short.flac"))
    song(short, 0.5)
    text = tmp_path / "text.mp3"
    text.write_text("no music")
    gone = tmp_path / "gone.wav"
    cache = LatentCache(tmp_path / "cache", codec, "codec", "cpu")
    kept, left_out = read([good, copy, short, text, gone], cache, fewest_frames=300)
    assert [track.frames for track in kept] == [300]
    assert list(left_out) == ["copy.flac", "short.flac", "text.mp3", "gone.wav"]
    assert "another name" in left_out["copy.flac"]
    assert "too short" in left_out["short.flac"]
    assert "none of the formats" in left_out["text.mp3"]
    assert "No such file" in left_out["gone.wav"]


def test_a_file_whose_latents_float16_does_not_hold_is_left_out(tmp_path: Path, codec: Codec) -> None:
    class Loud:
        sample_rate, frame_length, dimension = codec.sample_rate, codec.frame_length, codec.dimension

        def encode(self, samples: torch.Tensor) -> torch.Tensor:
            return codec.encode(samples) * 1e6

    cache = LatentCache(tmp_path / "cache", Loud(), "codec", "cpu")  # type: ignore[arg-type] # it only encodes
    kept, left_out = read([song(tmp_path / "a.flac")], cache)
    assert not kept
    assert "no finite numbers" in left_out["a.flac"]
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_a_cache_that_cannot_be_written_is_no_fault_of_the_music(tmp_path: Path, codec: Codec) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(TrainingError, match="cannot be written"):
        read([song(tmp_path / "a.flac")], LatentCache(tmp_path / "cache", codec, "codec", "cpu"))


def test_what_was_encoded_before_a_stop_is_not_encoded_again(tmp_path: Path, codec: Codec, decoded: list[str]) -> None:
    paths = [song(tmp_path / f"{seed}.flac", seed=seed) for seed in range(3)]
    cache = LatentCache(tmp_path / "cache", codec, "codec", "cpu")

    def stop() -> None:
        if len(decoded) == 2:
            raise TrainingStopped

    with pytest.raises(TrainingStopped):
        read_music(paths, cache.track, 1, stop, lambda path, why: None)
    read(paths, cache)
    assert decoded == ["0.flac", "1.flac", "2.flac"]
