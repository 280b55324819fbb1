"""The encodec engine finds its codec and its bridge, keeps them warm, and says what is missing."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.engines.checkpoints import CheckpointStore
from core.engines.digests import digest_of_digests
from core.engines.encodec.cascade import CascadeShape
from core.engines.encodec.engine import EncodecEngine, most_rows
from core.engines.warm import WarmModels
from core.engines.weights import ModelFolders
from core.errors import CancelRequested, ChecksumMismatch, EngineUnavailable, ModelNotFound, WeightsMismatch
from core.ports import Pair, Track
from core.storage.memory import MemoryBlobs
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.encodec_models import PACKAGE_FILE, Library, checkpoint, codec_folder, models_folder, sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.ports import Block, Bridger, StemBlock


def stop() -> None:
    raise CancelRequested


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models_folder(tmp_path_factory.mktemp("models"))


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Path:
    """A ``MODEL_DIR`` that may be damaged."""
    shutil.copytree(model_dir / "encodec", tmp_path / "encodec")
    return tmp_path


def engine_over(model_dir: Path | None, cache: Path, blobs: MemoryBlobs | None = None, **options: Any) -> EncodecEngine:
    pins = options.pop("pins", {})
    warm = options.pop("warm", None) or WarmModels(lambda: 10**12, interval_seconds=0.001)
    folders = ModelFolders(CheckpointStore(model_dir, blobs or MemoryBlobs(), pins, cache))
    settings = {"device": "cpu", "precision": "float32", "batch_memory_bytes": 0, **options}
    return EncodecEngine(folders, warm, **settings)


@pytest.fixture
def engine(model_dir: Path, tmp_path: Path) -> EncodecEngine:
    return engine_over(model_dir, tmp_path)


def bridged(bridger: Bridger, ratio: float = 0.5) -> StemBlock:
    tracks = [Track(lambda seed=seed: blocks(seed)) for seed in (1, 2)]  # type: ignore[misc] # a lambda's defaults
    pair = Pair(tracks[0], tracks[1], 24000, 1, 7000, (ratio,), 1.0)
    return np.concatenate(list(bridger.bridge(pair, float)), axis=2)


def blocks(seed: int) -> Iterator[Block]:
    yield sound(1, seed).numpy()[:, :7000]


def made(engine: EncodecEngine, model: str | None = None) -> StemBlock:
    with engine.load(model, stop) as bridger:
        return bridged(bridger)


def refused(engine: EncodecEngine, error: type[EngineUnavailable], match: str, model: str | None = None) -> None:
    with pytest.raises(error, match=match) as caught:
        engine.load(model, stop).__enter__()
    assert type(caught.value) is error


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What is loaded


def test_it_makes_a_bridge_and_tells_what_with(engine: EncodecEngine, model_dir: Path) -> None:
    with engine.load(None, stop) as bridger:
        assert bridged(bridger).shape == (1, 1, 7000)
        assert bridged(bridger).std() > 0.05
        assert (bridger.sample_rate, bridger.segment_seconds, bridger.compute) == (24000, 16.0, "float32 on cpu")
        weights = [model_dir / "encodec" / "cascade" / "best_model.pt", model_dir / "encodec" / "24khz" / PACKAGE_FILE]
        assert bridger.weights == digest_of_digests(sha256(path) for path in weights)


def test_the_same_weights_of_transformers_make_the_same_bridge(engine: EncodecEngine, tmp_path: Path) -> None:
    other = engine_over(models_folder(tmp_path / "models", "transformers"), tmp_path)
    assert np.abs(made(engine) - made(other)).max() < 1e-5


def test_it_is_loaded_once_and_kept(engine: EncodecEngine, model_dir: Path) -> None:
    assert engine.loaded() == {}
    with engine.load("cascade", stop) as first, engine.load(None, stop) as second:
        assert first is second
    assert engine.loaded() == {"cascade": first.weights}


def test_a_bridge_of_ones_own_has_a_name_of_its_own(copy: Path) -> None:
    checkpoint(copy / "encodec" / "mine" / "best_model.pt", CascadeShape(16, 4, 2, 3), seed=4)
    engine = engine_over(copy, copy)
    assert np.abs(made(engine, "mine") - made(engine)).max() > 0.05
    assert set(engine.loaded()) == {"mine", "cascade"}
    assert len(set(engine.loaded().values())) == 2


@pytest.mark.parametrize(
    ("precision", "compute"),
    [("auto", "float32 on cpu"), ("int8", "float32 on cpu"), ("bfloat16", "bfloat16 on cpu")],
)
def test_the_precision_is_the_one_that_was_set(model_dir: Path, tmp_path: Path, precision: str, compute: str) -> None:
    with engine_over(model_dir, tmp_path, precision=precision).load(None, stop) as bridger:
        assert bridger.compute == compute
        assert bridged(bridger).std() > 0.05


@pytest.mark.parametrize(
    ("device", "memory_bytes", "rows"), [("cpu", 2**40, 1), ("cuda", 1, 1), ("cuda", 2**30, 3), ("cuda:1", 2**40, 16)]
)
def test_as_many_rows_at_once_as_a_gpus_memory_allows_and_on_a_cpu_one(
    device: str, memory_bytes: int, rows: int
) -> None:
    assert most_rows(device, memory_bytes) == rows


def test_from_storage_both_are_taken_once_they_are_pinned(model_dir: Path, tmp_path: Path) -> None:
    blobs, source = MemoryBlobs(), model_dir / "encodec"
    files = [path for path in source.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        blobs.write("models", f"encodec/{path.relative_to(source)}", lambda content=content: iter([content]),
                    size_bytes=len(content), content_type="x/x", metadata={})  # fmt: skip
    refused_with = "add encodec/cascade/best_model.pt=SHA256"
    with pytest.raises(ChecksumMismatch, match=refused_with):
        made(engine_over(None, tmp_path, blobs))
    pins = {f"encodec/{path.relative_to(source)}": sha256(path) for path in files}
    assert np.array_equal(made(engine_over(None, tmp_path, blobs, pins=pins)), made(engine_over(model_dir, tmp_path)))


# What is missing


def test_without_a_bridge_it_is_told_where_to_put_one_and_how_to_train_one(copy: Path) -> None:
    (copy / "encodec" / "cascade" / "best_model.pt").unlink()
    place = rf"put its best_model.pt into {copy}/encodec/cascade"
    refused(engine_over(copy, copy), ModelNotFound, rf"'cascade'.*{place}.*make train-bridge")
    refused(engine_over(copy, copy), ModelNotFound, "'mine'.*make train-bridge", "mine")


def test_a_codec_that_is_nowhere_else_comes_from_the_hub_without_its_pickles(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    def download(repository: str, patterns: Sequence[str]) -> Path:
        asked.append((repository, patterns))
        return codec_folder(copy / "hub", "transformers")

    expected = made(engine_over(copy, copy))
    shutil.rmtree(copy / "encodec" / "24khz")
    monkeypatch.setattr("core.engines.hub.download", download)
    assert np.abs(made(engine_over(copy, copy)) - expected).max() < 1e-5
    assert {repository for repository, _ in asked} == {"facebook/encodec_24khz"}
    assert set(asked[0][1]) == {"encodec_24khz-*.th", "config.json", "model.safetensors"}


def test_without_a_codec_it_is_told_which_and_where_to_put_it(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, patterns: Sequence[str]) -> Path:
        raise ModelNotFound("the hub cannot be reached")

    shutil.rmtree(copy / "encodec" / "24khz")
    monkeypatch.setattr("core.engines.hub.download", download)
    place = rf"encodec_24khz-\*\.th.* of facebook/encodec_24khz into {copy}/encodec/24khz"
    refused(engine_over(copy, copy), ModelNotFound, place)


def test_nothing_that_is_warm_goes_for_a_bridge_that_is_not_there(model_dir: Path, tmp_path: Path) -> None:
    warm = WarmModels(lambda: 1, interval_seconds=0.001)
    engine = engine_over(model_dir, tmp_path, warm=warm)
    made(engine)
    refused(engine, ModelNotFound, "'mine'", "mine")
    assert set(engine.loaded()) == {"cascade"}


@pytest.mark.parametrize("name", ["../cascade", "a/b/c", ""])
def test_what_is_no_name_is_refused(engine: EncodecEngine, name: str) -> None:
    refused(engine, ModelNotFound, "no name of a model", name)


def test_a_bridge_for_another_codec_is_refused_and_nothing_is_kept(copy: Path) -> None:
    checkpoint(copy / "encodec" / "cascade" / "best_model.pt", CascadeShape(32, 2, 1))
    engine = engine_over(copy, copy)
    refused(engine, WeightsMismatch, "encoding_dim is 32, the codec's latents have 16 channels")
    assert engine.loaded() == {}


def test_weights_that_are_not_what_was_pinned_are_refused(model_dir: Path, tmp_path: Path) -> None:
    pins = {"encodec/cascade/best_model.pt": 64 * "0"}
    refused(engine_over(model_dir, tmp_path, pins=pins), ChecksumMismatch, "best_model.pt")


def test_a_gpu_that_is_not_there_is_refused(model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    refused(engine_over(model_dir, tmp_path, device="cuda"), EngineUnavailable, "torch finds no GPU")


def test_missing_packages_make_the_engine_unavailable(engine: EncodecEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("core.engines.encodec.bridger", raising=False)
    monkeypatch.setitem(sys.modules, "core.engines.encodec.bridger", None)
    refused(engine, EngineUnavailable, "encodec is not installed here .*make setup-gpu")


@pytest.mark.parametrize("library", ["encodec", "transformers"])
def test_without_the_codecs_library_the_sentence_says_how_to_install_it(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    models_folder(tmp_path, library)
    monkeypatch.setitem(sys.modules, library, None)
    refused(engine_over(tmp_path, tmp_path), EngineUnavailable, "make setup-gpu")
