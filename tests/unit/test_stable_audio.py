"""Stable Audio makes each stem from its own request and seed alone, in batches, and survives whatever goes wrong."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderOobleck, StableAudioPipeline

from core.engines.checkpoints import CheckpointStore
from core.engines.stable_audio import decoding
from core.engines.stable_audio.batching import Row
from core.engines.stable_audio.engine import StableAudioEngine
from core.engines.warm import WarmModels
from core.engines.weights import ModelFolders, matching
from core.errors import ChecksumMismatch, EngineFailed, EngineUnavailable, ModelNotFound, NotFinite
from core.ports import StemRequest
from core.storage.memory import MemoryBlobs
from tests.stable_audio_models import LONGEST_SECONDS, SAMPLE_RATE, one_thread, save

if TYPE_CHECKING:
    from core.ports import Block

__all__ = ["one_thread"]

ROUNDING = 1e-5
"""Largest difference between two ways to the same samples; measured 7e-7, where the samples reach 1.6."""


class Stop(Exception):
    """What a caller's ``step`` or ``wait`` raises."""


def stop() -> None:
    raise Stop


def request(**options: Any) -> StemRequest:
    plain = StemRequest("bass", 0.5, 120.0, "rock", (), "a warm bass line", 1.0, seed=1, steps=10)
    return replace(plain, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``MODEL_DIR`` with the models open-1.0 and mine."""
    root = tmp_path_factory.mktemp("models")
    save(root / "stable_audio" / "open-1.0")
    save(root / "stable_audio" / "mine", seed=1)
    return root


def engine_over(model_dir: Path | None, limit_bytes: int = 10**12, **options: Any) -> StableAudioEngine:
    cache = options.pop("cache", model_dir and model_dir / "cache")
    store = CheckpointStore(model_dir, options.pop("blobs", MemoryBlobs()), options.pop("pins", {}), cache)
    warm = WarmModels(lambda: limit_bytes, interval_seconds=0.001)
    precision, memory_bytes = options.pop("precision", "float32"), options.pop("batch_memory_bytes", 2**40)
    return StableAudioEngine(ModelFolders(store), warm, "cpu", precision, memory_bytes)


@pytest.fixture(scope="module")
def engine(folder: Path) -> StableAudioEngine:
    return engine_over(folder)


@pytest.fixture
def renderer(engine: StableAudioEngine) -> Iterator[Any]:
    with engine.load(None, stop) as renderer:
        yield renderer


def render(renderer: Any, requests: Sequence[StemRequest], step: Callable[[float], None] = float) -> list[Block]:
    """Each request's samples."""
    blocks: list[list[Block]] = [[] for _ in requests]
    for piece in renderer.render(requests, step):
        blocks[piece.stem].append(piece.block)
    return [np.concatenate(each, axis=1) for each in blocks]


def steps_of(renderer: Any, requests: Sequence[StemRequest]) -> list[int]:
    """How many rows each call of the transformer had."""
    rows: list[int] = []
    with before_each_step(renderer, lambda hidden: rows.append(hidden.shape[0])):
        render(renderer, requests)
    return rows


@contextmanager
def before_each_step(renderer: Any, act: Callable[[torch.Tensor], object]) -> Iterator[None]:
    def hook(module: object, args: tuple[torch.Tensor, ...]) -> None:
        act(args[0])

    handle = renderer._pipeline.transformer.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


# What it makes


@pytest.mark.parametrize("seconds", [0.5, 0.777, 1 / 3, LONGEST_SECONDS])
def test_a_stem_has_its_exact_length_in_stereo_at_the_models_rate(renderer: Any, seconds: float) -> None:
    (samples,) = render(renderer, [request(duration_seconds=seconds)])
    assert (renderer.sample_rate, renderer.channels) == (SAMPLE_RATE, 2)
    assert samples.shape == (2, round(seconds * SAMPLE_RATE))
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert samples.std() > 0.01


@pytest.mark.parametrize("negative", ["noise", ""])
def test_it_is_what_diffusers_makes(renderer: Any, folder: Path, negative: str) -> None:
    plain = StableAudioPipeline.from_pretrained(str(folder / "stable_audio" / "open-1.0"), dtype=torch.float32)
    expected = plain(
        "a warm bass line", negative_prompt=negative or None, audio_end_in_s=0.5, num_inference_steps=12,
        guidance_scale=3.0, generator=[torch.Generator().manual_seed(7)],
    ).audios[0]  # fmt: skip
    (samples,) = render(renderer, [request(negative_description=negative, steps=12, guidance_scale=3.0, seed=7)])
    np.testing.assert_allclose(samples, expected.numpy(), atol=ROUNDING)


def test_the_defaults_are_a_hundred_steps_and_a_guidance_of_seven(renderer: Any) -> None:
    named = render(renderer, [request(steps=100, guidance_scale=7.0)])
    np.testing.assert_array_equal(render(renderer, [request(steps=None)]), named)


def test_a_request_and_its_seed_give_the_same_samples(renderer: Any) -> None:
    np.testing.assert_array_equal(render(renderer, [request()]), render(renderer, [request()]))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"description": "a loud drum"},
        {"negative_description": "noise"},
        {"guidance_scale": 2.0},
        {"guidance_scale": 1.0},
        {"steps": 11},
    ],
)
def test_whatever_is_asked_for_is_heard(renderer: Any, other: dict[str, Any]) -> None:
    (plain,), (changed,) = render(renderer, [request()]), render(renderer, [request(**other)])
    assert np.abs(plain - changed).max() > 100 * ROUNDING


# Batches


MANY = (
    request(),
    request(description="drum", seed=2),
    request(description="the slow loud piano line", seed=3, duration_seconds=0.3),
    request(description="a piano", seed=4, negative_description="noise"),
    request(description="a slow rock bass", seed=5, negative_description="no drum"),
    request(description="", seed=6, steps=11),
    request(seed=7, guidance_scale=1.0),
)


def test_a_stem_sounds_the_same_alone_and_among_others(renderer: Any) -> None:
    together = render(renderer, MANY)
    for stem, alone in zip(together, MANY, strict=True):
        np.testing.assert_allclose(stem, render(renderer, [alone])[0], atol=ROUNDING)


def test_stems_of_one_setting_are_one_batch(renderer: Any) -> None:
    stems = [request(seed=seed, description=f"{seed}") for seed in range(4)]
    assert steps_of(renderer, stems) == [8] * 10, "guidance doubles the rows"
    assert (
        steps_of(renderer, [*stems, request(guidance_scale=1.0), request(steps=11)]) == [8] * 10 + [1] * 10 + [2] * 11
    )


def test_no_stems_are_no_work(renderer: Any) -> None:
    assert steps_of(renderer, []) == []


# Progress and being told to stop


def test_progress_rises_with_every_step_to_the_whole(renderer: Any) -> None:
    shares: list[float] = []
    render(renderer, [request(), request(seed=2), request(steps=20)], shares.append)
    assert shares == sorted(shares)
    assert len(set(shares)) >= 10
    assert 0 <= shares[0] < 0.1
    assert shares[-1] == 1


def test_told_to_stop_it_makes_no_step_but_the_one_it_is_at_and_the_next_request_is_served(renderer: Any) -> None:
    stopped, steps = threading.Event(), []

    def third(hidden: torch.Tensor) -> None:
        steps.append(1)
        if len(steps) == 3:
            assert stopped.wait(10)

    def stop_at_the_third(share: float) -> None:
        if len(steps) == 3:
            raise Stop

    with before_each_step(renderer, third):
        with pytest.raises(Stop):
            render(renderer, [request(), request(seed=2)], stop_at_the_third)
        stopped.set()
        assert len(render(renderer, [request(steps=11)])) == 1
    assert len(steps) == 3 + 11


def test_requests_that_wait_become_one_batch_and_sound_as_they_do_alone(renderer: Any) -> None:
    requests = [request(seed=2), request(seed=3), request(seed=4, steps=12)]
    alone = [render(renderer, [each])[0] for each in requests]
    made: dict[int, Block] = {}
    threads = [
        threading.Thread(target=lambda each=each: made.update({each.seed: render(renderer, [each])[0]}))
        for each in requests
    ]
    rows: list[int] = []

    def first_step(hidden: torch.Tensor) -> None:
        rows.append(hidden.shape[0] // 2)
        if len(rows) == 1:
            for thread in threads:
                thread.start()
            while len(renderer._batcher._waiting) < len(threads):
                renderer._batcher.wait(Row(requests[0]))

    with before_each_step(renderer, first_step):
        render(renderer, [request()])
        for thread in threads:
            thread.join(60)
    assert rows == [*[1] * 10, *[2] * 10, *[1] * 12]
    np.testing.assert_allclose([made[each.seed] for each in requests], alone, atol=ROUNDING)


def test_a_batch_takes_no_more_stems_than_there_is_memory_for(folder: Path) -> None:
    with engine_over(folder, batch_memory_bytes=2 * 400 * 2**20).load(None, stop) as renderer:
        assert steps_of(renderer, [request(seed=seed) for seed in range(3)]) == [*[4] * 10, *[2] * 10]


def test_a_listener_that_leaves_disturbs_nobody(renderer: Any) -> None:
    pieces = renderer.render([request(), request(seed=2)], float)
    next(pieces)
    assert len(render(renderer, [request()])) == 1, "also while the first one is still open"
    pieces.close()
    assert len(render(renderer, [request()])) == 1


def test_whoever_waits_for_its_turn_can_still_be_stopped(renderer: Any) -> None:
    ends: list[str] = []

    def second() -> None:
        try:
            render(renderer, [request(seed=2)], lambda share: stop())
        except Stop:
            ends.append("stopped")

    def first_step(share: float) -> None:
        if not ends:
            waiting = threading.Thread(target=second)
            waiting.start()
            waiting.join(10)
            assert ends == ["stopped"]

    steps: list[object] = []
    with before_each_step(renderer, steps.append):
        render(renderer, [request()], first_step)
    assert len(steps) == 10, "the second request made none"


# When memory runs out, or the numbers do


def test_when_memory_runs_out_the_batch_is_halved_and_the_stems_are_the_same(renderer: Any) -> None:
    stems = [request(seed=seed) for seed in range(5)]
    expected, tried = render(renderer, stems), []

    def room_for_two(hidden: torch.Tensor) -> None:
        tried.append(hidden.shape[0] // 2)
        if hidden.shape[0] // 2 > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    shares: list[float] = []
    with before_each_step(renderer, room_for_two):
        made = render(renderer, stems, shares.append)
    assert tried == [5, *[2] * 10, *[2] * 10, *[1] * 10]
    assert (shares, shares[-1]) == (sorted(shares), 1)
    np.testing.assert_allclose(made, expected, atol=ROUNDING)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_a_single_stem_that_does_not_fit_fails_and_the_engine_lives(renderer: Any, error: Exception) -> None:
    def no_room(hidden: torch.Tensor) -> None:
        raise error

    with before_each_step(renderer, no_room), pytest.raises(EngineFailed, match="not enough memory for a single stem"):
        render(renderer, [request(), request(seed=2)])
    assert len(render(renderer, [request()])) == 1


def test_any_other_fault_of_the_model_is_not_tried_again(renderer: Any) -> None:
    tried = []

    def broken(hidden: torch.Tensor) -> None:
        tried.append(1)
        raise RuntimeError("CUDA error: device-side assert triggered")

    with before_each_step(renderer, broken), pytest.raises(EngineFailed, match="the model broke: CUDA error"):
        render(renderer, [request(), request(seed=2)])
    assert tried == [1]


def test_a_model_that_computes_no_numbers_fails_at_that_step_and_the_engine_lives(renderer: Any) -> None:
    steps = []

    def spoil(hidden: torch.Tensor) -> None:
        steps.append(1)
        if len(steps) == 4:
            hidden.fill_(torch.nan)

    with before_each_step(renderer, spoil), pytest.raises(NotFinite, match="not finite after step 4"):
        render(renderer, [request()])
    assert len(steps) == 4
    assert len(render(renderer, [request()])) == 1


def test_a_decoder_that_computes_no_numbers_fails_and_the_engine_lives(renderer: Any) -> None:
    bias = renderer._pipeline.vae.decoder.conv1.bias
    kept = bias.detach().clone()
    bias.data.fill_(torch.inf)
    try:
        with pytest.raises(NotFinite, match="samples are not finite"):
            render(renderer, [request()])
    finally:
        bias.data.copy_(kept)
    assert len(render(renderer, [request()])) == 1


def test_what_is_longer_than_the_model_can_is_refused_with_its_length(renderer: Any) -> None:
    with pytest.raises(EngineFailed, match=r"at most 1\.0 s at once"):
        render(renderer, [request(duration_seconds=1.5)])


# Decoding in windows


def autoencoder(ratios: list[int]) -> Any:
    torch.manual_seed(0)
    return AutoencoderOobleck(
        encoder_hidden_size=1, downsampling_ratios=ratios, channel_multiples=[1] * len(ratios), decoder_channels=2,
        decoder_input_channels=4,
    ).eval()  # fmt: skip


@pytest.mark.parametrize("ratios", [[2, 4, 4, 8, 8], [8, 4], [2]])
def test_windows_give_what_decoding_at_once_gives(ratios: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_WINDOW_SECONDS", 0.5)
    vae = autoencoder(ratios)
    latents = torch.randn(4, int(1.9 * SAMPLE_RATE / vae.hop_length))
    frames = int(1.8 * SAMPLE_RATE) - 1
    blocks = list(decoding.decode(vae, latents, frames))
    with torch.inference_mode():
        at_once = vae.decode(latents[None]).sample[0, :, :frames].numpy()
    assert max(block.shape[1] for block in blocks) <= SAMPLE_RATE
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), at_once, atol=ROUNDING)
    monkeypatch.setattr(decoding, "latents_in_reach", lambda ratios: 1)
    blind = np.concatenate(list(decoding.decode(vae, latents, frames)), axis=1)
    assert np.abs(blind - at_once).max() > 100 * ROUNDING


# Loading


def test_a_model_is_kept_warm_and_shown_with_its_digest(folder: Path) -> None:
    engine = engine_over(folder)
    assert engine.loaded() == {}
    with engine.load(None, stop) as first:
        pass
    with engine.load("open-1.0", stop) as second:
        assert second is first
    assert engine.loaded() == {"open-1.0": first.weights}
    assert len(first.weights) == 64


def test_an_operators_own_model_takes_the_place_of_the_other_when_both_do_not_fit(folder: Path) -> None:
    engine = engine_over(folder, limit_bytes=6 * 10**9)
    with engine.load(None, stop) as first:
        released = render(first, [request()])
    with engine.load("mine", stop) as other:
        assert np.abs(render(other, [request()])[0] - released[0]).max() > 100 * ROUNDING
        assert engine.loaded() == {"mine": other.weights}
        assert other.weights != first.weights
    with engine.load(None, stop) as again:
        np.testing.assert_array_equal(render(again, [request()]), released)


def test_an_unknown_model_costs_no_other_its_place(folder: Path) -> None:
    engine = engine_over(folder, limit_bytes=6 * 10**9)
    with engine.load(None, stop):
        pass
    with pytest.raises(ModelNotFound, match=r"no weights of 'nope' here \(known are open-1.0\)"):
        engine.load("nope", stop).__enter__()
    assert list(engine.loaded()) == ["open-1.0"]


def test_a_model_that_cannot_be_loaded_is_refused_and_the_next_one_served(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "stable_audio").mkdir()
    (tmp_path / "stable_audio" / "open-1.0").symlink_to(folder / "stable_audio" / "open-1.0")
    save(tmp_path / "stable_audio" / "broken")
    (tmp_path / "stable_audio" / "broken" / "vae" / "config.json").unlink()
    engine = engine_over(tmp_path)
    with pytest.raises(EngineUnavailable, match=r"vae/config\.json is missing"):
        engine.load("broken", stop).__enter__()
    with engine.load(None, stop) as renderer:
        assert len(render(renderer, [request()])) == 1


def test_from_storage_it_is_loaded_once_its_weights_are_pinned(folder: Path, tmp_path: Path) -> None:
    blobs, source = MemoryBlobs(), folder / "stable_audio" / "open-1.0"
    for name in matching(source, ["*"]):
        content = (source / name).read_bytes()
        blobs.write("models", f"stable_audio/open-1.0/{name}", lambda content=content: iter([content]),
                    size_bytes=len(content), content_type="x/x", metadata={})  # fmt: skip
    with pytest.raises(ChecksumMismatch, match=r"add stable_audio/open-1\.0/.*\.safetensors=SHA256"):
        engine_over(None, blobs=blobs, cache=tmp_path).load(None, stop).__enter__()
    digests = ModelFolders(CheckpointStore(None, blobs, {}, tmp_path / "other"))
    pins = {f"stable_audio/open-1.0/{name}": digests.digest(source, [name])
            for name in matching(source, ["*.safetensors"])}  # fmt: skip
    with engine_over(None, blobs=blobs, cache=tmp_path, pins=pins).load(None, stop) as renderer:
        assert len(render(renderer, [request()])) == 1


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A model to be damaged, in a ``MODEL_DIR`` of its own."""
    return save(tmp_path / "stable_audio" / "open-1.0")


def refused(copy: Path, match: str) -> None:
    with pytest.raises(EngineUnavailable, match=match):
        engine_over(copy.parent.parent).load(None, stop).__enter__()


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "transformer/config.json",
        "tokenizer/tokenizer.json",
    ],
)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    refused(copy, match=Path(name).parts[0])


@pytest.mark.parametrize("part", ["vae", "text_encoder", "projection_model", "transformer"])
def test_missing_weights_are_named_and_a_pickle_in_their_place_is_never_opened(copy: Path, part: str) -> None:
    (weights,) = (copy / part).glob("*.safetensors")
    weights.rename(weights.with_name("pytorch_model.bin"))
    refused(copy, match=f"{part} has no weights: a file .safetensors is missing")


@pytest.mark.parametrize("part", ["vae", "text_encoder", "projection_model", "transformer"])
def test_a_damaged_file_is_named(copy: Path, part: str) -> None:
    (weights,) = (copy / part).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(copy, match=rf"{part}/{weights.name} is damaged")
    weights.write_bytes(b"")
    refused(copy, match=rf"{part}/{weights.name} is damaged")


@pytest.mark.parametrize("part", ["vae", "text_encoder", "projection_model", "transformer"])
def test_weights_that_lack_a_tensor_are_refused_by_its_name(copy: Path, part: str) -> None:
    from safetensors.torch import load_file, save_file

    (weights,) = (copy / part).glob("*.safetensors")
    tensors = load_file(weights)
    lost = sorted(tensors)[-1]
    del tensors[lost]
    save_file(tensors, weights, {"format": "pt"})
    refused(copy, match=rf"{lost}|cannot be loaded")


def test_settings_that_are_no_json_are_named(copy: Path) -> None:
    (copy / "transformer" / "config.json").write_text("{")
    refused(copy, match=r"transformer/config\.json is damaged")


def test_settings_that_the_weights_do_not_fit_are_refused(copy: Path) -> None:
    path = copy / "transformer" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_attention_heads": 4}))
    refused(copy, match="cannot be loaded as a model of Stable Audio")


def test_another_models_folder_is_refused(copy: Path) -> None:
    path = copy / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vae": ["diffusers", "AutoencoderKL"]}))
    refused(copy, match="is not that of Stable Audio: no vae is a AutoencoderOobleck")


@pytest.mark.parametrize(("precision", "computed"), [("bfloat16", torch.bfloat16), ("int8", torch.float32)])
def test_the_decoder_computes_in_float32_whatever_the_rest_does(
    folder: Path, precision: str, computed: torch.dtype
) -> None:
    with engine_over(folder, precision=precision).load(None, stop) as renderer:
        assert (renderer._pipeline.transformer.dtype, renderer._pipeline.vae.dtype) == (computed, torch.float32)
        (samples,) = render(renderer, [request()])
    assert np.isfinite(samples).all()
    assert samples.std() > 0.01


def test_missing_packages_make_the_engine_unavailable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("core.engines.stable_audio.pipeline")
    monkeypatch.setitem(sys.modules, "core.engines.stable_audio.pipeline", None)
    with pytest.raises(EngineUnavailable, match="stable_audio is not installed here"):
        engine_over(folder).load(None, stop).__enter__()
