"""Models of demucs are found by name, checked before a byte is unpickled, and kept warm."""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engines.compute import Compute
from core.engines.demucs import models
from core.errors import ChecksumMismatch, EngineUnavailable, ModelNotFound
from core.ports import SeparationSettings
from core.storage.memory import MemoryBlobs
from tests.demucs_models import SOURCES, engine, hybrid, hybrid_transformer, loaded, save, save_bag


def put(blobs: MemoryBlobs, path: Path) -> None:
    content = path.read_bytes()
    blobs.write("models", f"demucs/{path.name}", lambda: iter([content]), size_bytes=len(content),
                content_type="application/octet-stream", metadata={})  # fmt: skip


def load(tmp_path: Path, name: str | None, **options: Any) -> Any:
    return loaded(engine(tmp_path, **options), SeparationSettings(name))


def test_a_bag_is_found_by_the_name_of_its_yaml(tmp_path: Path) -> None:
    save_bag([hybrid(), hybrid_transformer()], tmp_path / "demucs", "mine")
    separator = load(tmp_path, "mine")
    assert separator.sources == tuple(SOURCES)
    assert separator.complete
    assert len(separator.weights) == 64


def test_a_single_model_is_found_by_its_signature(tmp_path: Path) -> None:
    name = save(hybrid_transformer(), tmp_path / "demucs", "5ad1")
    digest = hashlib.sha256((tmp_path / "demucs" / name).read_bytes()).hexdigest()
    assert load(tmp_path, "5ad1").weights == digest


def test_a_released_bag_needs_only_its_weights(tmp_path: Path) -> None:
    name = save(hybrid_transformer(), tmp_path / "demucs", "955717e8")  # the signature in demucs' own htdemucs.yaml
    assert load(tmp_path, None).weights.startswith(name.partition("-")[2].removesuffix(".th"))


def test_weights_saved_in_half_precision_are_computed_with_in_float32(tmp_path: Path) -> None:
    model = hybrid_transformer().half()  # as the released files are
    save(model, tmp_path / "demucs", "aa")
    loaded = load(tmp_path, "aa")._bag.models[0].tdecoder[0].conv_tr.weight
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, model.tdecoder[0].conv_tr.weight.float())


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    save_bag([hybrid()], tmp_path / "demucs", "mine")
    with pytest.raises(ModelNotFound, match=r"no model 'nope'; known are htdemucs, .*, mdx_extra, mine, mine0\."):
        load(tmp_path, "nope")
    for name in ("../mine", "", "demucs/mine", "mine.yaml", "hf://someone/model"):
        with pytest.raises(ModelNotFound, match="no model"):
            load(tmp_path, name or "/")


def test_missing_weights_are_named_with_where_they_are_and_where_they_go(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as refused:
        load(tmp_path, "htdemucs")
    assert "needs 955717e8-8726e21a.th: put it into MODEL_DIR/demucs" in str(refused.value)
    assert "models/demucs/955717e8-8726e21a.th; its authors offer it at https://" in str(refused.value)


def test_weights_that_are_not_what_their_name_promises_are_refused(tmp_path: Path) -> None:
    name = save(hybrid(), tmp_path / "demucs", "aa")
    (tmp_path / "demucs" / name).rename(tmp_path / "demucs" / "aa-00000000.th")
    with pytest.raises(ChecksumMismatch, match=r"aa-00000000\.th: .* should start with 00000000, it is [0-9a-f]{64}"):
        load(tmp_path, "aa")


def test_weights_from_storage_are_loaded_once_they_are_pinned(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    name = save(hybrid(), tmp_path / "elsewhere", "aa")
    put(blobs, tmp_path / "elsewhere" / name)
    with pytest.raises(ChecksumMismatch, match=f"add {name}=SHA256 to MODEL_CHECKSUMS"):
        load(tmp_path, "aa", blobs=blobs)
    digest = hashlib.sha256((tmp_path / "elsewhere" / name).read_bytes()).hexdigest()
    assert load(tmp_path, "aa", blobs=blobs, checksums={name: digest}).weights == digest


class Attack:
    """A pickle that leaves a mark when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def attack(tmp_path: Path) -> Path:
    buffer = io.BytesIO()
    torch.save({"klass": Attack(tmp_path / "mark"), "args": (), "kwargs": {}, "state": {}}, buffer)
    path = tmp_path / "demucs" / f"aa-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.th"
    path.parent.mkdir()
    path.write_bytes(buffer.getvalue())
    return path


def test_a_file_that_was_not_pinned_runs_no_code(tmp_path: Path) -> None:
    path = attack(tmp_path)
    with pytest.raises(EngineUnavailable, match=f"if you trust it, add {path.name}=[0-9a-f]{{64}} to MODEL_CHECKSUMS"):
        load(tmp_path, "aa")
    assert not (tmp_path / "mark").exists()


def test_the_attack_would_have_worked_without_the_check(tmp_path: Path) -> None:
    path = attack(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(EngineUnavailable):
        load(tmp_path, "aa", checksums={path.name: digest})
    assert (tmp_path / "mark").exists()


def test_nothing_is_unpickled_before_its_checksum_is_right(tmp_path: Path) -> None:
    path = attack(tmp_path)
    with pytest.raises(ChecksumMismatch):
        load(tmp_path, "aa", checksums={path.name: "0" * 64})
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"klass": 1}, protocol=2)])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "demucs").mkdir()
    (tmp_path / "demucs" / "aa.th").write_bytes(content)
    with pytest.raises(EngineUnavailable, match=r"aa\.th"):
        load(tmp_path, "aa")


def test_two_files_of_one_signature_are_refused(tmp_path: Path) -> None:
    save(hybrid(0), tmp_path / "demucs", "aa")
    save(hybrid(1), tmp_path / "demucs", "aa")
    with pytest.raises(EngineUnavailable, match="have the same signature: delete all but one"):
        load(tmp_path, "aa")


def test_models_are_kept_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for signature in ("aa", "bb"):
        save(hybrid(), tmp_path / "demucs", signature)
    made: list[str] = []
    real = models.load_bag
    monkeypatch.setattr(models, "load_bag", lambda store, name: made.append(name) or real(store, name))
    demucs = engine(tmp_path)
    for name in ("aa", "aa", "bb", "bb", "aa"):
        separator = loaded(demucs, SeparationSettings(name, shifts=len(made)))
    assert made == ["aa", "bb"]
    assert set(demucs.loaded()) == {"aa", "bb"}
    assert demucs.loaded()["aa"] == separator.weights


def test_missing_packages_make_the_engine_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "core.engines.demucs.models", None)
    with pytest.raises(EngineUnavailable, match="demucs is not installed here"):
        load(tmp_path, "aa")


def test_the_device_and_precision_that_auto_stands_for() -> None:
    if torch.cuda.is_available():
        assert Compute.choose("auto", "auto").precision == "float16"
        return
    assert Compute.choose("auto", "auto") == Compute("cpu", "float32", 0)
    with pytest.raises(EngineUnavailable, match="TORCH_DEVICE is cuda, and torch finds no GPU"):
        Compute.choose("cuda", "auto")
