"""MusicGen makes each stem from its own request and seed alone, and survives what goes wrong."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from core.engines.checkpoints import CheckpointStore
from core.engines.musicgen.engine import MusicGenEngine
from core.engines.musicgen.model import Conditioning
from core.engines.musicgen.stems import Stem, encode_prompt
from core.engines.musicgen.windows import FADE_SECONDS, plan_windows
from core.engines.warm import WarmModels
from core.engines.weights import ModelFolders
from core.errors import CancelRequested, ChecksumMismatch, EngineFailed, EngineUnavailable, ModelNotFound, NotFinite
from core.ports import Recording, StemRequest
from core.storage.memory import MemoryBlobs
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.musicgen_models import (
    CODEC,
    LANGUAGE_MODEL,
    SAMPLE_RATE,
    audiocraft_folder,
    reference,
    save_audiocraft,
    save_transformers,
    transformers_folder,
)

if TYPE_CHECKING:
    from core.engines.musicgen.rows import Row
    from core.ports import Block, Renderer

ROUNDING = 1e-6
"""Largest difference between two ways to samples of the same codes, where they reach 0.2; measured 9e-8."""

SHORT_WINDOW_SECONDS = 2.0


def stop() -> None:
    raise CancelRequested


def request(**options: Any) -> StemRequest:
    plain = StemRequest("drums", 0.5, 120.0, "rock", (), "a slow rock drum", 1.0, seed=1)
    return replace(plain, **options)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``MODEL_DIR`` with models of both formats, and some of an operator's own with a short window."""
    root = tmp_path_factory.mktemp("models")
    models = root / "musicgen"
    models.mkdir()
    (models / "small").symlink_to(audiocraft_folder("small"))
    (models / "stereo-small").symlink_to(audiocraft_folder("stereo"))
    (models / "melody").symlink_to(audiocraft_folder("melody"))
    (models / "hf-small").symlink_to(transformers_folder("small"))
    (models / "hf-stereo").symlink_to(transformers_folder("stereo"))
    (models / "hf-melody").symlink_to(transformers_folder("melody"))
    save_transformers(models / "short", window_seconds=SHORT_WINDOW_SECONDS)
    save_transformers(models / "short-melody", kind="melody", window_seconds=SHORT_WINDOW_SECONDS)
    save_audiocraft(models / "less", window_seconds=18.5)  # audiocraft takes none that is shorter than 18 seconds
    save_transformers(models / "hf-less", window_seconds=18.5)
    return root


def engine_over(model_dir: Path, limit_bytes: int = 10**12, **options: Any) -> MusicGenEngine:
    pins = options.pop("pins", {})
    folders = ModelFolders(CheckpointStore(model_dir, MemoryBlobs(), pins, model_dir / "cache"))
    warm = WarmModels(lambda: limit_bytes, interval_seconds=0.001)
    settings = {"device": "cpu", "precision": "float32", "batch_memory_bytes": 2**30, **options}
    return MusicGenEngine(folders, warm, **settings)


@pytest.fixture(scope="module")
def engine(model_dir: Path) -> MusicGenEngine:
    return engine_over(model_dir)


def render(renderer: Renderer, requests: Sequence[StemRequest], step: Callable[[float], None] = float) -> list[Block]:
    """Each request's samples."""
    blocks: list[list[Block]] = [[np.zeros((renderer.channels, 0), np.float32)] for _ in requests]
    for piece in renderer.render(requests, step):
        blocks[piece.stem].append(piece.block)
    return [np.concatenate(each, axis=1) for each in blocks]


def made(engine: MusicGenEngine, model: str | None, *requests: StemRequest) -> list[Block]:
    with engine.load(model, stop) as renderer:
        return render(renderer, requests)


def tone(seconds: float, sample_rate: int = SAMPLE_RATE, frequency: float = 330) -> Recording:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return Recording(
        (0.5 * np.sin(2 * np.pi * frequency * time * (1 + 0.1 * time)))[None].astype(np.float32), sample_rate
    )


# What a stem is


@pytest.mark.parametrize(("model", "channels"), [("small", 1), ("stereo-small", 2), ("melody", 1), ("hf-stereo", 2)])
def test_every_stem_has_its_exact_length(engine: MusicGenEngine, model: str, channels: int) -> None:
    durations = (0.5, 0.61234, 1.0, 1.337)
    with engine.load(model, stop) as renderer:
        assert (renderer.sample_rate, renderer.channels) == (SAMPLE_RATE, channels)
        stems = render(renderer, [request(duration_seconds=duration) for duration in durations])
    for stem, duration in zip(stems, durations, strict=True):
        assert stem.shape == (channels, round(duration * SAMPLE_RATE))
        assert stem.dtype == np.float32
        assert np.abs(stem).max() > 1e-3


def test_the_default_model_is_the_first_of_the_catalogue(engine: MusicGenEngine) -> None:
    assert np.array_equal(*made(engine, None, request()), *made(engine, "small", request()))


@pytest.mark.parametrize("kind", ["small", "stereo", "melody"])
def test_a_stem_is_what_audiocraft_generates(engine: MusicGenEngine, kind: Any) -> None:
    name = {"stereo": "stereo-small"}.get(kind, kind)
    stem = made(engine, name, request(duration_seconds=1.5, seed=11, temperature=0.9, guidance_scale=2.5, top_k=20))[0]
    music_gen = reference(audiocraft_folder(kind))
    music_gen.set_generation_params(duration=1.5, temperature=0.9, cfg_coef=2.5, top_k=20)
    torch.manual_seed(11)
    expected = music_gen.generate(["a slow rock drum"])[0].numpy()
    assert stem.shape == expected.shape
    assert np.abs(stem - expected).max() < ROUNDING


def test_a_continuation_is_what_audiocraft_generates(engine: MusicGenEngine) -> None:
    prompt = tone(1.0)
    stem = made(engine, "small", request(duration_seconds=1.2, seed=5, top_k=20, audio_prompt=prompt))[0]
    music_gen = reference(audiocraft_folder("small"))
    music_gen.set_generation_params(duration=2.2, top_k=20)
    torch.manual_seed(5)
    continued = music_gen.generate_continuation(torch.from_numpy(prompt.samples), SAMPLE_RATE, ["a slow rock drum"])
    expected = continued[0].numpy()[:, SAMPLE_RATE:]
    assert stem.shape == expected.shape
    assert np.abs(stem - expected).max() < ROUNDING


def test_a_melody_is_followed_as_audiocraft_follows_it(engine: MusicGenEngine) -> None:
    melody = tone(2.0)
    stem = made(engine, "melody", request(duration_seconds=1.0, seed=5, top_k=20, melody=melody))[0]
    music_gen = reference(audiocraft_folder("melody"))
    music_gen.set_generation_params(duration=1.0, top_k=20)
    torch.manual_seed(5)
    expected = music_gen.generate_with_chroma(["a slow rock drum"], torch.from_numpy(melody.samples)[None], SAMPLE_RATE)
    assert np.abs(stem - expected[0].numpy()).max() < ROUNDING


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("small", "hf-small"), ("stereo-small", "hf-stereo"), ("melody", "hf-melody")],
)
def test_both_formats_of_the_same_weights_sound_the_same(engine: MusicGenEngine, ours: str, theirs: str) -> None:
    requests = [request(duration_seconds=1.2), request(seed=2, audio_prompt=tone(0.4), melody=tone(1.0))]
    for one, other in zip(made(engine, ours, *requests), made(engine, theirs, *requests), strict=True):
        assert np.array_equal(one, other)


def test_both_formats_sound_the_same_beyond_their_window(engine: MusicGenEngine) -> None:
    long = request(duration_seconds=20)
    assert np.array_equal(made(engine, "less", long)[0], made(engine, "hf-less", long)[0])


def test_the_same_request_sounds_the_same_again(engine: MusicGenEngine) -> None:
    assert np.array_equal(*made(engine, "small", request(), request()))
    assert np.array_equal(made(engine, "small", request())[0], made(engine, "small", request())[0])


# Parameters

CHANGES: list[dict[str, Any]] = [
    {"seed": 2},
    {"description": "fast jazz"},
    {"description": ""},
    {"temperature": 0.3},
    {"temperature": 0.0},
    {"guidance_scale": 1.0},
    {"guidance_scale": 9.0},
    {"top_k": 2},
    {"top_p": 0.2},
    {"audio_prompt": tone(0.5)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: ",".join(change))
def test_every_parameter_changes_what_is_made(engine: MusicGenEngine, change: dict[str, Any]) -> None:
    plain, changed = made(engine, "small", request(), request(**change))
    assert not np.array_equal(plain, changed)


@pytest.mark.parametrize("melody", [tone(0.2), tone(1.0, 8000), tone(40, 8000, 440)], ids=["short", "low", "long"])
def test_a_melody_changes_what_the_melody_models_make(engine: MusicGenEngine, melody: Recording) -> None:
    plain, changed = made(engine, "melody", request(), request(melody=melody))
    assert not np.array_equal(plain, changed)


@pytest.mark.parametrize(
    "change",
    [
        {"melody": tone(1.0)},
        {"guidance_scale": 3.0},
        {"top_k": 250},
        {"tempo_bpm": 77.0},
        {"chords": ("C",)},
        {"style": "jazz"},
        {"negative_description": "drums"},
        {"steps": 20},
        {"audio_prompt": Recording(np.zeros((1, 100), np.float32), SAMPLE_RATE)},
    ],
    ids=lambda change: ",".join(change),
)
def test_what_means_nothing_to_the_model_or_is_its_default_changes_nothing(
    engine: MusicGenEngine, change: dict[str, Any]
) -> None:
    assert np.array_equal(*made(engine, "small", request(), request(**change)))


def test_only_the_end_of_a_recording_is_gone_on_from(engine: MusicGenEngine) -> None:
    prompt = tone(3.0)
    end = Recording(prompt.samples[:, -round(0.4 * SHORT_WINDOW_SECONDS * SAMPLE_RATE) :], SAMPLE_RATE)
    assert np.array_equal(*made(engine, "short", request(audio_prompt=prompt), request(audio_prompt=end)))


def test_a_precision_of_less_than_32_bits_makes_stems_too(model_dir: Path) -> None:
    for precision in ("bfloat16", "int8"):
        assert np.isfinite(made(engine_over(model_dir, precision=precision), "small", request())[0]).all()


# Neighbours

NEIGHBOURS = [
    request(seed=7, description="fast bass", duration_seconds=1.4),
    request(seed=8, guidance_scale=1.0),
    request(seed=9, top_p=0.5, description="the slow slow slow jazz drums and the bass"),
    request(seed=10, audio_prompt=tone(0.6), duration_seconds=0.9),
]


@pytest.mark.parametrize("model", ["small", "stereo-small", "melody", "short"])
def test_a_stem_does_not_depend_on_those_that_it_is_made_with(engine: MusicGenEngine, model: str) -> None:
    mine = request(duration_seconds=2.6, melody=tone(1.0))
    alone = made(engine, model, mine)[0]
    for requests in ([mine, *NEIGHBOURS], [*NEIGHBOURS, mine]):
        assert np.array_equal(made(engine, model, *requests)[requests.index(mine)], alone)


def test_a_stem_does_not_depend_on_other_requests_at_the_same_time(engine: MusicGenEngine) -> None:
    alone = [made(engine, "small", each)[0] for each in NEIGHBOURS]
    results: list[Any] = [None] * len(NEIGHBOURS)

    def work(place: int) -> None:
        results[place] = made(engine, "small", NEIGHBOURS[place])[0]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(NEIGHBOURS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, expected in zip(results, alone, strict=True):
        assert np.array_equal(result, expected)


# Longer than the window


@pytest.mark.parametrize("duration", [2.01, 3.3, 5.0, 9.98])
def test_a_stem_may_be_longer_than_the_model_s_window(engine: MusicGenEngine, duration: float) -> None:
    stem, first = made(engine, "short", request(duration_seconds=duration), request(duration_seconds=2.0))
    assert stem.shape == (1, round(duration * SAMPLE_RATE))
    window = plan_windows(duration, SHORT_WINDOW_SECONDS, 120, 50)[0]
    assert window.join_seconds is not None
    shared = round((window.join_seconds - 0.05 - 0.08) * SAMPLE_RATE)  # before the fade, and what EnCodec looks ahead
    assert np.abs(stem[:, :shared] - first[:, :shared]).max() < ROUNDING


def test_the_windows_meet_on_a_beat_of_the_tempo(engine: MusicGenEngine) -> None:
    """Stems of two tempos are the same up to the first join of the earlier one."""
    early, late = made(
        engine, "short", request(duration_seconds=4, tempo_bpm=100.0), request(duration_seconds=4, tempo_bpm=120.0)
    )
    joins = [plan_windows(4, SHORT_WINDOW_SECONDS, tempo, 50)[0].join_seconds for tempo in (100.0, 120.0)]
    assert joins == [1.8, 1.5]
    different = np.flatnonzero(np.abs(early - late)[0] > ROUNDING)[0] / SAMPLE_RATE
    assert 1.5 - 0.05 - 0.08 - 0.001 < different < 1.5 + 0.05


def test_the_later_windows_hear_later_parts_of_the_melody(engine: MusicGenEngine) -> None:
    beginning, all_of_it = tone(1.9, frequency=262), tone(1.9, frequency=262)
    changed = np.concatenate([all_of_it.samples, tone(3.0, frequency=740).samples], axis=1)
    one, other = made(
        engine,
        "short-melody",
        request(duration_seconds=5, melody=beginning),
        request(duration_seconds=5, melody=Recording(changed, SAMPLE_RATE)),
    )
    assert not np.array_equal(one[:, -SAMPLE_RATE:], other[:, -SAMPLE_RATE:])


class Beeps:
    """A codec whose samples are the first codebook's codes; it looks two frames ahead."""

    sample_rate, channels, frame_rate = 1000, 1, 50

    def __init__(self) -> None:
        self._waiting = np.zeros(0, np.float32)

    def encode(self, recording: Recording) -> Any:
        return np.full((1, recording.samples.shape[1] * self.frame_rate // recording.sample_rate), 9)

    def decoder(self) -> Beeps:
        return Beeps()

    def push(self, codes: Any) -> Block:
        samples = np.concatenate([self._waiting, codes[0].repeat(20).astype(np.float32)])
        self._waiting = samples[-40:]
        return samples[None, :-40]

    def finish(self) -> Block:
        return self._waiting[None]


class Silent:
    """A conditioner that nobody listens to."""

    def condition(self, description: str, melody: Recording | None) -> Conditioning:
        return Conditioning()

    def null(self) -> Conditioning:
        return Conditioning()


class Listening(Silent):
    """Notes the melody that each window hears."""

    def __init__(self) -> None:
        self.heard: list[Recording] = []

    def condition(self, description: str, melody: Recording | None) -> Conditioning:
        assert melody is not None
        self.heard.append(melody)
        return Conditioning()


def stem_of(asked: StemRequest, conditioner: Any) -> Stem:
    codec = Beeps()
    prompt = encode_prompt(asked.audio_prompt, codec, SHORT_WINDOW_SECONDS)
    return Stem(asked, prompt, conditioner, codec, SHORT_WINDOW_SECONDS)


def test_the_melody_begins_with_the_stem_and_not_with_what_the_stem_goes_on_from() -> None:
    """At any time of the stem every window hears the same place of the melody."""
    prompt = Recording(np.zeros((1, 500), np.float32), 1000)
    melody = Recording(np.arange(3000, dtype=np.float32)[None], 1000)
    listening = Listening()
    long = request(duration_seconds=3.0, audio_prompt=prompt, melody=melody)
    stem = stem_of(long, listening)
    row: Row | None = stem.row()
    while row is not None:
        row = stem.take(np.ones((1, row.frames - row.prompt.shape[1]), np.int64))
        list(stem.blocks())
    windows = plan_windows(3.0, SHORT_WINDOW_SECONDS, 120, 50, 25)
    assert [heard.samples[0, 0] for heard in listening.heard] == [window.start * 20 % 3000 for window in windows]
    assert listening.heard[0].samples[0, 500] == 0


@pytest.mark.parametrize("frames", [1, 3, 1000])
@pytest.mark.parametrize("prompt_seconds", [0.0, 0.5])
def test_a_window_goes_on_from_the_codes_of_the_one_before_up_to_the_join(frames: int, prompt_seconds: float) -> None:
    prompt = Recording(np.zeros((1, round(prompt_seconds * 1000)), np.float32), 1000)
    stem = stem_of(request(duration_seconds=3.0, audio_prompt=prompt), Silent())
    windows = plan_windows(3.0, SHORT_WINDOW_SECONDS, 120, 50, round(prompt_seconds * 50))
    assert len(windows) >= 2
    blocks = []
    row: Row | None = stem.row()
    for number, window in enumerate(windows):
        assert row is not None
        assert (row.prompt.shape[1], row.frames) == (window.first - window.start, window.end - window.start)
        assert row.prompt.shape[1] == 0 or row.prompt[0, -1] == (number or 9)  # of the recording; else the window's
        assert set(row.prompt[0].tolist()) <= {9, *range(1, number + 1)}
        left = row.frames - row.prompt.shape[1]
        while left:
            taken, left = min(frames, left), left - min(frames, left)
            row = stem.take(np.full((1, taken), number + 1))
            blocks += list(stem.blocks())
    assert row is None
    assert stem.made == stem.frames

    samples = np.concatenate(blocks, axis=1)[0]
    assert samples.shape == (3000,)
    start = 0
    for number, window in enumerate(windows, 1):
        end = 3000 if window.join_seconds is None else round((window.join_seconds - FADE_SECONDS / 2) * 1000)
        assert (samples[start:end] == number).all()
        start = end + round(FADE_SECONDS * 1000)


# Progress


@pytest.mark.parametrize("duration", [1.0, 4.0])
def test_progress_comes_from_every_step_of_the_model(engine: MusicGenEngine, duration: float) -> None:
    shares: list[float] = []
    with engine.load("short", stop) as renderer:
        render(renderer, [request(duration_seconds=duration), request(seed=3)], shares.append)
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[-1] == 1
    assert len(shares) > duration * 50


def test_the_first_pieces_come_long_before_the_last_code(engine: MusicGenEngine) -> None:
    share = 0.0
    seconds = [0.0, 0.0]
    heard_at: dict[int, float] = {}

    def step(done: float) -> None:
        nonlocal share
        share = done

    with engine.load("small", stop) as renderer:
        for piece in renderer.render([request(duration_seconds=8), request(duration_seconds=8, seed=2)], step):
            seconds[piece.stem] += piece.block.shape[1] / SAMPLE_RATE
            assert piece.block.shape[1] <= SAMPLE_RATE
            if seconds[piece.stem] >= 2:
                heard_at.setdefault(piece.stem, share)
    assert seconds == [8, 8]
    assert max(heard_at.values()) < 0.35  # a quarter, what the codec looks ahead, and the rest of a chunk


# Stopping


def test_what_step_raises_ends_the_run_and_no_other(engine: MusicGenEngine) -> None:
    expected = made(engine, "small", request(duration_seconds=3, seed=21))[0]
    with engine.load("small", stop) as renderer:
        other = renderer.render([request(duration_seconds=3, seed=21)], lambda share: None)
        begun = [next(other).block]
        calls = 0

        def cancel(share: float) -> None:
            nonlocal calls
            calls += 1
            if share > 0.2:
                raise CancelRequested

        with pytest.raises(CancelRequested):
            render(renderer, [request(duration_seconds=30), request(duration_seconds=30)], cancel)
        assert calls > 100
        begun += [piece.block for piece in other]
        assert np.array_equal(np.concatenate(begun, axis=1), expected)


def test_whoever_waits_for_memory_can_stop_and_gets_the_same_in_the_end(model_dir: Path) -> None:
    engine = engine_over(model_dir, batch_memory_bytes=1)  # so little that rows are drawn one after the other
    mine, other = request(duration_seconds=1.0, seed=4), request(duration_seconds=4.0)
    expected = made(engine, "small", mine)[0]
    with engine.load("small", stop) as renderer:
        first = renderer.render([other], lambda share: None)
        next(first)
        shares: list[float] = []

        def wait_a_while(share: float) -> None:
            shares.append(share)
            if len(shares) > 5:
                raise CancelRequested

        with pytest.raises(CancelRequested):
            render(renderer, [mine], wait_a_while)
        assert set(shares) == {0}
        assert np.array_equal(render(renderer, [mine, other])[0], expected)
        assert sum(piece.block.shape[1] for piece in first) > 0


def test_closing_the_iterator_ends_the_run(engine: MusicGenEngine) -> None:
    with engine.load("small", stop) as renderer:
        pieces = renderer.render([request(duration_seconds=30)], lambda share: None)
        next(pieces)
        pieces.close()  # type: ignore[attr-defined] # a generator is what it is
    assert np.array_equal(made(engine, "small", request())[0], made(engine, "small", request())[0])


# Loading


def test_models_stay_warm_and_make_room_for_others(model_dir: Path) -> None:
    engine = engine_over(model_dir, limit_bytes=int(3e9))
    assert engine.loaded() == {}
    with engine.load("small", stop) as small:
        assert engine.loaded() == {"small": small.weights}
        with pytest.raises(CancelRequested), engine.load("stereo-small", stop):
            raise AssertionError("there is no room for a second one")
    with engine.load("small", stop) as again:
        assert again is small
    with engine.load("stereo-small", stop) as stereo:
        assert engine.loaded() == {"stereo-small": stereo.weights}


@pytest.mark.parametrize("model", ["small", "hf-small"])
def test_the_weights_are_known_by_their_digest(engine: MusicGenEngine, model_dir: Path, model: str) -> None:
    folder = model_dir / "musicgen" / model
    names = [LANGUAGE_MODEL, CODEC] if model == "small" else ["model.safetensors"]
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)]
    with engine.load(model, stop) as renderer:
        expected = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        assert renderer.weights == expected


def test_missing_weights_are_named_with_where_to_put_them(tmp_path: Path) -> None:
    engine = engine_over(tmp_path)
    for model in (None, "medium", "someone/else", "../small"):
        with pytest.raises(ModelNotFound), engine.load(model, stop):
            raise AssertionError("there is nothing to load")
    with pytest.raises(ModelNotFound, match=str(tmp_path / "musicgen" / "large")), engine.load("large", stop):
        raise AssertionError("there is nothing to load")


class Hub(ModelFolders):
    """Has one model, in one format, and notes what it is asked for."""

    def __init__(self, folder: Path, file: str) -> None:
        super().__init__(CheckpointStore(None, MemoryBlobs(), {}, folder / "cache"))
        self._folder, self._file = folder, file
        self.asked: list[tuple[str | None, bool]] = []

    def find(self, engine: str, model: str, published: str | None, patterns: Sequence[str]) -> Path:
        matches = any(Path(self._file).match(pattern) for pattern in patterns)
        self.asked.append((published, matches))
        if published is None or not matches:
            raise ModelNotFound
        return self._folder


@pytest.mark.parametrize(
    ("folder", "file"), [(audiocraft_folder, LANGUAGE_MODEL), (transformers_folder, "config.json")]
)
def test_the_hub_is_asked_for_one_format_at_a_time(folder: Callable[[], Path], file: str, tmp_path: Path) -> None:
    hub = Hub(shutil.copytree(folder(), tmp_path / "model"), file)
    engine = MusicGenEngine(hub, WarmModels(lambda: 10**12), "cpu", "float32", 2**30)
    assert len(made(engine, "small", request())) == 1
    asked = [(None, True), ("facebook/musicgen-small", True)]
    if file != LANGUAGE_MODEL:
        asked.insert(1, ("facebook/musicgen-small", False))
    assert hub.asked == asked


def test_models_of_audiocraft_may_share_the_t5_beside_them(model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(audiocraft_folder("small"), tmp_path / "musicgen" / "small"))
    (folder / "t5-base").rename(tmp_path / "musicgen" / "t5-base")
    assert np.array_equal(
        *made(engine_over(tmp_path), "small", request()), *made(engine_over(model_dir), "small", request())
    )
    shutil.rmtree(tmp_path / "musicgen" / "t5-base")
    with pytest.raises(ModelNotFound, match="t5-base"):
        made(engine_over(tmp_path), "small")


@pytest.mark.parametrize("file", [LANGUAGE_MODEL, CODEC])
def test_half_a_model_is_not_loaded(tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(audiocraft_folder("small"), tmp_path / "musicgen" / "small"))
    (folder / file).unlink()
    with pytest.raises(ModelNotFound, match=file), engine_over(tmp_path).load("small", stop):
        raise AssertionError("there is nothing to load")


@pytest.mark.parametrize("file", [LANGUAGE_MODEL, CODEC])
def test_damaged_weights_are_refused_and_good_ones_loaded_after_that(tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(audiocraft_folder("small"), tmp_path / "musicgen" / "small"))
    good = (folder / file).read_bytes()
    (folder / file).write_bytes(good[: len(good) // 2])
    engine = engine_over(tmp_path)
    with pytest.raises(EngineUnavailable, match=file), engine.load("small", stop):
        raise AssertionError("there is nothing to load")
    (folder / file).write_bytes(good)
    assert len(made(engine, "small", request())) == 1


def test_weights_that_are_not_the_pinned_ones_are_refused(model_dir: Path) -> None:
    engine = engine_over(model_dir, pins={f"musicgen/small/{CODEC}": "0" * 64})
    with pytest.raises(ChecksumMismatch, match=CODEC), engine.load("small", stop):
        raise AssertionError("these are not the weights")


def test_a_missing_package_makes_the_engine_unavailable(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "core.engines.musicgen.renderer", None)
    with pytest.raises(EngineUnavailable, match="run make setup-gpu"):
        made(engine_over(model_dir), "small")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_makes_the_engine_unavailable(model_dir: Path) -> None:
    with pytest.raises(EngineUnavailable, match="TORCH_DEVICE"):
        made(engine_over(model_dir, device="cuda"), "small")


# Weights that are no numbers


def spoiled(folder: Path, file: str, tensor: str) -> None:
    package = torch.load(folder / file)
    package["best_state"][tensor].view(-1)[0] = torch.nan
    torch.save(package, folder / file)


@pytest.mark.parametrize(
    ("file", "tensor"),
    [(LANGUAGE_MODEL, "transformer.layers.1.linear2.weight"), (CODEC, "decoder.model.3.convtr.convtr.weight_v")],
    ids=["language model", "codec"],
)
def test_a_model_that_computes_what_is_no_number_fails_and_others_live_on(
    model_dir: Path, tmp_path: Path, file: str, tensor: str
) -> None:
    folder = Path(shutil.copytree(audiocraft_folder("small"), tmp_path / "musicgen" / "small"))
    shutil.copytree(audiocraft_folder("stereo"), tmp_path / "musicgen" / "stereo-small")
    spoiled(folder, file, tensor)
    engine = engine_over(tmp_path)
    for _ in range(2):
        with pytest.raises(EngineFailed) as failure:
            made(engine, "small", request(), request(seed=2))
        assert isinstance(failure.value, NotFinite) or file == LANGUAGE_MODEL
    assert np.isfinite(made(engine, "stereo-small", request())[0]).all()
