"""Weight files are found, fetched once, and never used unless they are the ones that were pinned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.engines.checkpoints import CheckpointStore, parse_checksums
from core.errors import ChecksumMismatch, EngineUnavailable, ModelNotFound, StorageUnavailable
from core.storage.memory import MemoryBlobs

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


class CountingBlobs(MemoryBlobs):
    """Blobs that count how often one is read, and can break off in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.breaks_off = False

    def read(self, container: str, name: str) -> Iterator[bytes]:
        self.reads += 1
        chunks = super().read(container, name)
        if self.breaks_off:
            yield next(chunks)[:10]
            raise StorageUnavailable
        yield from chunks


def put(blobs: MemoryBlobs, name: str, content: bytes = CONTENT) -> None:
    blobs.write("models", name, lambda: iter([content]), size_bytes=len(content), content_type="x/x", metadata={})


@pytest.fixture
def blobs() -> CountingBlobs:
    return CountingBlobs()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models" / "demucs").mkdir(parents=True)
    return tmp_path / "models"


def store(folder: Path | None, blobs: MemoryBlobs, cache: Path, **pins: str) -> CheckpointStore:
    return CheckpointStore(folder, blobs, {name.replace("_", "."): digest for name, digest in pins.items()}, cache)


def test_a_file_in_the_folder_needs_no_pin(folder: Path, blobs: CountingBlobs, tmp_path: Path) -> None:
    (folder / "demucs" / "a.th").write_bytes(CONTENT)
    put(blobs, "demucs/a.th", b"other")
    found = store(folder, blobs, tmp_path / "cache").read("demucs", "a.th")
    assert (found.content, found.sha256, found.pinned) == (CONTENT, DIGEST, False)
    assert blobs.reads == 0


def test_a_file_in_the_folder_must_match_its_pin(folder: Path, blobs: CountingBlobs, tmp_path: Path) -> None:
    (folder / "demucs" / "a.th").write_bytes(CONTENT)
    pinned = store(folder, blobs, tmp_path, a_th=OTHER)
    for find in (pinned.read, pinned.path):
        with pytest.raises(ChecksumMismatch, match=rf"a\.th.*{OTHER}.*{DIGEST}"):
            find("demucs", "a.th")


def test_a_file_that_may_not_be_read_is_named(
    folder: Path, blobs: CountingBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    local, path = store(folder, blobs, tmp_path), folder / "demucs" / "a.th"
    path.write_bytes(CONTENT)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    for read in (lambda: local.read("demucs", "a.th"), lambda: local.digest(path)):
        with pytest.raises(EngineUnavailable, match=rf"{path} cannot be read \(Permission denied\)"):
            read()


def test_a_pinned_file_is_fetched_from_storage_once(blobs: CountingBlobs, tmp_path: Path) -> None:
    put(blobs, "demucs/a.th")
    pinned = store(None, blobs, tmp_path, a_th=DIGEST)
    assert pinned.read("demucs", "a.th").content == CONTENT
    assert pinned.path("demucs", "a.th").read_bytes() == CONTENT
    assert pinned.read("demucs", "a.th").pinned
    assert blobs.reads == 1


def test_an_unpinned_file_in_storage_is_refused_with_the_line_to_add(blobs: CountingBlobs, tmp_path: Path) -> None:
    put(blobs, "demucs/a.th")
    with pytest.raises(ChecksumMismatch, match=r"add a\.th=SHA256 to MODEL_CHECKSUMS"):
        store(None, blobs, tmp_path).read("demucs", "a.th")
    assert blobs.reads == 0


def test_a_file_that_runs_nothing_needs_no_pin_and_is_read_anew(blobs: CountingBlobs, tmp_path: Path) -> None:
    put(blobs, "demucs/a.yaml", b"models: [x]")
    unpinned = store(None, blobs, tmp_path)
    assert unpinned.read("demucs", "a.yaml").content == b"models: [x]"
    put(blobs, "demucs/a.yaml", b"models: [y]")
    assert unpinned.read("demucs", "a.yaml").content == b"models: [y]"


def test_another_content_in_storage_is_never_kept(blobs: CountingBlobs, tmp_path: Path) -> None:
    put(blobs, "demucs/a.th", b"other")
    with pytest.raises(ChecksumMismatch, match=rf"{DIGEST}.*{OTHER}"):
        store(None, blobs, tmp_path, a_th=DIGEST).read("demucs", "a.th")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_download_that_breaks_off_leaves_nothing_and_the_next_one_works(blobs: CountingBlobs, tmp_path: Path) -> None:
    put(blobs, "demucs/a.th")
    pinned = store(None, blobs, tmp_path, a_th=DIGEST)
    blobs.breaks_off = True
    with pytest.raises(StorageUnavailable):
        pinned.read("demucs", "a.th")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    blobs.breaks_off = False
    assert pinned.read("demucs", "a.th").content == CONTENT


def test_a_cached_file_that_was_damaged_or_replaced_is_fetched_again(blobs: CountingBlobs, tmp_path: Path) -> None:
    put(blobs, "demucs/a.th")
    pinned = store(None, blobs, tmp_path, a_th=DIGEST)
    pinned.path("demucs", "a.th").write_bytes(CONTENT[:100])
    assert pinned.read("demucs", "a.th").content == CONTENT
    put(blobs, "demucs/a.th", b"other")
    assert store(None, blobs, tmp_path, a_th=OTHER).read("demucs", "a.th").content == b"other"


def test_several_may_fetch_the_same_file_at_once(blobs: CountingBlobs, tmp_path: Path) -> None:
    put(blobs, "demucs/a.th")
    pinned = store(None, blobs, tmp_path, a_th=DIGEST)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: pinned.read("demucs", "a.th").content, range(16)))
    assert found == [CONTENT] * 16
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"a.th", "digests.json"}


def test_what_is_nowhere_is_said_with_both_places(folder: Path, blobs: CountingBlobs, tmp_path: Path) -> None:
    for pins in ({}, {"a_th": DIGEST}):
        with pytest.raises(ModelNotFound, match=r"models/demucs/a\.th and as models/demucs/a\.th in storage"):
            store(folder, blobs, tmp_path / "cache", **pins).read("demucs", "a.th")


def test_names_are_those_of_both_places_and_of_one_engine(folder: Path, blobs: CountingBlobs, tmp_path: Path) -> None:
    (folder / "demucs" / "a.th").write_bytes(b"")
    put(blobs, "demucs/b.th")
    put(blobs, "musicgen/c.bin")
    assert store(folder, blobs, tmp_path).names("demucs") == {"a.th", "b.th"}
    assert store(None, blobs, tmp_path).names("demucs") == {"b.th"}
    assert store(folder, blobs, tmp_path).names("none") == set()


def test_pins_are_read_from_words() -> None:
    assert parse_checksums([f"a.th={DIGEST.upper()}", f"b.th={OTHER}"]) == {"a.th": DIGEST, "b.th": OTHER}


@pytest.mark.parametrize(
    "word", ["a.th", "a.th=123", f"={DIGEST}", f"/a.th={DIGEST}", f"../a.th={DIGEST}", f"a.th={DIGEST}0"]
)
def test_a_word_that_is_no_pin_is_named(word: str) -> None:
    with pytest.raises(ValueError, match="is not file=sha256"):
        parse_checksums([word])


def test_a_pin_may_name_one_file_by_its_path_and_that_wins_over_its_bare_name(tmp_path: Path) -> None:
    blobs = CountingBlobs()
    put(blobs, "musicgen/small/a.bin")
    put(blobs, "musicgen/large/a.bin")
    pins = parse_checksums([f"musicgen/small/a.bin={DIGEST}", f"a.bin={OTHER}"])
    pinned = CheckpointStore(None, blobs, pins, tmp_path)
    assert pinned.read("musicgen/small", "a.bin").pinned
    with pytest.raises(ChecksumMismatch, match=rf"musicgen/large/a\.bin: .*{OTHER}"):
        pinned.read("musicgen/large", "a.bin")


def test_a_name_in_storage_that_leads_out_of_its_folder_is_passed_over(tmp_path: Path) -> None:
    blobs = CountingBlobs()
    for name in ("demucs/../a.yaml", "demucs//a.yaml", "demucs/x/../../a.yaml", "demucs/.", "demucs/b.yaml"):
        put(blobs, name)
    assert store(None, blobs, tmp_path).names("demucs") == {"b.yaml"}


def test_two_pins_of_one_file_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.th is pinned twice"):
        parse_checksums([f"a.th={DIGEST}", f"a.th={OTHER}"])
