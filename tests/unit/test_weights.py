"""Models that are folders of files are found in three places, fetched once, and refused with what to do about it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from core.engines.checkpoints import CheckpointStore
from core.engines.weights import ModelFolders, matching
from core.errors import ChecksumMismatch, HubUnavailable, ModelNotFound, StorageUnavailable
from tests.unit.test_checkpoints import CountingBlobs, put

FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 1000, "t5-base/model.safetensors": b"words" * 1000}
PATTERNS = ("*.json", "*.safetensors")
PUBLISHED = "facebook/musicgen-small"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PINS = {f"musicgen/small/{name}": sha256(content) for name, content in FILES.items() if name.endswith("safetensors")}


def write(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in matching(folder, ["*"])}


class Models:
    """``ModelFolders`` over a ``MODEL_DIR``, a storage and a cache of their own."""

    def __init__(self, folder: Path) -> None:
        self.model_dir, self.cache, self.blobs = folder / "models", folder / "cache", CountingBlobs()

    def folders(self, pins: Mapping[str, str] = PINS) -> ModelFolders:
        return ModelFolders(CheckpointStore(self.model_dir, self.blobs, pins, self.cache))

    def find(
        self, pins: Mapping[str, str] = PINS, model: str = "small", published: str | None = None, patterns=PATTERNS
    ) -> Path:
        return self.folders(pins).find("musicgen", model, published, patterns)

    def upload(self, files: Mapping[str, bytes] = FILES, folder: str = "musicgen/small") -> None:
        for name, data in files.items():
            put(self.blobs, f"{folder}/{name}", data)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


class Hub:
    """A hub on this machine, with one model; ``refusal`` is the status and the code that everything is answered with.

    Attributes:
        asked: the paths of all requests.
        speaks: whether it answers at all.
    """

    def __init__(self) -> None:
        self.refusal: tuple[int, str] | None = None
        self.asked: list[str] = []
        self.speaks = threading.Event()
        self.speaks.set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, *args: object) -> None:
                """Nothing: the test's output is no log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        assert self.speaks.wait(60)
        status, code = self.refusal or (200, "")
        body, path = b"", request.path.partition("?")[0]
        if not self.refusal and path.startswith(f"/api/models/{PUBLISHED}/tree/"):
            tree = [{"type": "file", "path": name, "size": len(data), "oid": sha256(data)[:40]}
                    for name, data in FILES.items()]  # fmt: skip
            body = json.dumps(tree).encode()
        elif not self.refusal and path.startswith(f"/api/models/{PUBLISHED}"):
            body = json.dumps({"id": PUBLISHED, "modelId": PUBLISHED, "sha": COMMIT}).encode()
        elif not self.refusal:
            body = FILES[path.removeprefix(f"/{PUBLISHED}/resolve/{COMMIT}/")]
        request.send_response(status)
        for header, value in {
            "X-Error-Code": code,
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{sha256(body)}"',
            "Content-Length": str(len(body)),
        }.items():
            if value:
                request.send_header(header, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    def close(self) -> None:
        self.speaks.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()
    hub.thread.start()
    address = f"http://127.0.0.1:{hub.server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    yield hub
    close_session()
    hub.close()


@pytest.fixture
def offline_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    return hub


# In MODEL_DIR


def test_the_folder_of_the_operator_comes_first(models: Models) -> None:
    write(models.model_dir / "musicgen" / "small")
    models.upload()
    assert models.find() == models.model_dir / "musicgen" / "small"
    assert models.blobs.reads == 0


def test_a_folder_may_be_made_of_links_to_elsewhere(models: Models, tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere")
    small = models.model_dir / "musicgen" / "small"
    small.mkdir(parents=True)
    (small / "model.safetensors").symlink_to(elsewhere / "model.safetensors")
    (small / "t5-base").symlink_to(elsewhere / "t5-base")
    assert content(models.find()) == {name: data for name, data in FILES.items() if name != "config.json"}
    (models.model_dir / "musicgen" / "linked").symlink_to(elsewhere)
    assert content(models.find(model="linked")) == FILES


def test_pinned_files_in_the_folder_are_checked(models: Models) -> None:
    name = "t5-base/model.safetensors"
    write(models.model_dir / "musicgen" / "small", {**FILES, name: b"other"})
    with pytest.raises(ChecksumMismatch, match=rf"musicgen/small/{name}: its SHA-256 should be .*{sha256(b'other')}"):
        models.find()


def test_a_folder_without_any_wanted_file_is_passed_over(models: Models) -> None:
    write(models.model_dir / "musicgen" / "small", {"README.md": b"words"})
    models.upload()
    assert models.find() == models.cache / "musicgen" / "small"


# In storage


def test_a_model_in_storage_is_downloaded_once(models: Models) -> None:
    models.upload()
    assert content(models.find()) == FILES
    reads = models.blobs.reads
    assert content(models.find()) == FILES
    assert models.blobs.reads == reads + 1, "config.json is read anew, the weights are not"


def test_only_what_is_wanted_is_downloaded(models: Models) -> None:
    models.upload({**FILES, "flax_model.msgpack": b"x" * 100})
    assert content(models.find()) == FILES


def test_weights_in_storage_must_be_pinned(models: Models) -> None:
    models.upload()
    with pytest.raises(ChecksumMismatch, match=r"add musicgen/small/model\.safetensors=SHA256 to MODEL_CHECKSUMS"):
        models.find(pins={})


def test_weights_in_storage_must_be_what_was_pinned(models: Models) -> None:
    models.upload({**FILES, "model.safetensors": b"other"})
    with pytest.raises(ChecksumMismatch, match=r"musicgen/small/model\.safetensors: its SHA-256 should be"):
        models.find()
    assert not (models.cache / "musicgen" / "small" / "model.safetensors").exists()


def test_a_download_that_breaks_off_leaves_no_half_file_and_the_next_one_works(models: Models) -> None:
    models.upload()
    models.blobs.breaks_off = True
    with pytest.raises(StorageUnavailable):
        models.find()
    assert [path for path in models.cache.rglob("*") if path.is_file()] == []
    models.blobs.breaks_off = False
    assert content(models.find()) == FILES


def test_several_may_download_the_same_model_at_once(models: Models) -> None:
    models.upload()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: content(models.find()), range(16)))
    assert found == [FILES] * 16


def test_what_is_no_longer_in_storage_is_no_longer_in_the_cache(models: Models) -> None:
    models.upload({**FILES, "other.safetensors": b"older"})
    models.find(pins=PINS | {"other.safetensors": sha256(b"older")})
    models.blobs.remove_all("models", "musicgen/small/other.safetensors")
    assert content(models.find()) == FILES


def test_a_changed_model_in_storage_takes_the_place_of_the_cached_one(models: Models) -> None:
    models.upload()
    models.find()
    models.upload({"model.safetensors": b"newer"})
    found = models.find(pins=PINS | {"musicgen/small/model.safetensors": sha256(b"newer")})
    assert (found / "model.safetensors").read_bytes() == b"newer"


def test_a_blob_whose_name_leads_out_of_the_cache_is_never_written(models: Models, tmp_path: Path) -> None:
    models.upload({**FILES, "../../../stolen.json": b"{}", "x/../../stolen.json": b"{}"})
    assert content(models.find()) == FILES
    assert list(tmp_path.rglob("stolen.json")) == []


# On the hub


def test_a_published_model_is_fetched_from_the_hub_once_with_only_what_is_wanted(models: Models, hub: Hub) -> None:
    found = models.find(published=PUBLISHED, patterns=("*.json", "model.safetensors"))
    assert content(found) == {name: FILES[name] for name in ("config.json", "model.safetensors")}
    hub.asked.clear()
    assert models.find(published=PUBLISHED, patterns=("*.json", "model.safetensors")) == found
    assert [path for path in hub.asked if "/resolve/" in path] == []


def test_what_the_hub_gives_is_checked_against_its_pins(models: Models, hub: Hub) -> None:
    with pytest.raises(ChecksumMismatch, match=r"musicgen/small/model\.safetensors"):
        models.find(pins={"musicgen/small/model.safetensors": "0" * 64}, published=PUBLISHED)


def test_offline_the_hub_is_not_asked_and_the_detail_says_how_to_get_the_model(
    models: Models, offline_hub: Hub
) -> None:
    with pytest.raises(ModelNotFound) as refused:
        models.find(published=PUBLISHED)
    assert f"of {PUBLISHED} into {models.model_dir}/musicgen/small" in str(refused.value)
    assert "as models/musicgen/small/… with each weight file pinned in MODEL_CHECKSUMS" in str(refused.value)
    assert f"HF_HUB_OFFLINE is set and the cache has no copy of {PUBLISHED}: unset it" in str(refused.value)
    assert offline_hub.asked == []


def test_a_hub_that_takes_a_question_and_never_answers_is_not_waited_for(
    models: Models, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = content(models.find(published=PUBLISHED))
    monkeypatch.setattr("core.engines.hub._SILENCE_SECONDS", 0.05)
    hub.speaks.clear()
    assert content(models.find(published=PUBLISHED)) == fetched
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(models.cache / "empty"))
    with pytest.raises(ModelNotFound, match=r"the hub cannot be reached .* does not answer"):
        models.find(published=PUBLISHED)


def test_offline_what_was_fetched_before_is_used(models: Models, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = models.find(published=PUBLISHED)
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    assert models.find(published=PUBLISHED) == found
    assert hub.asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model_says_which_licence_and_token_it_wants(models: Models, hub: Hub, status: int) -> None:
    hub.refusal = status, "GatedRepo"
    with pytest.raises(ModelNotFound, match=rf"{PUBLISHED} is gated: accept its licence .*, and set HF_TOK"):
        models.find(published=PUBLISHED)


@pytest.mark.parametrize("refusal", [(401, ""), (404, "RepoNotFound")])
def test_a_model_that_the_hub_does_not_show_may_be_private(models: Models, hub: Hub, refusal: tuple[int, str]) -> None:
    hub.refusal = refusal
    with pytest.raises(ModelNotFound, match=rf"the hub shows no {PUBLISHED}: check its name"):
        models.find(published=PUBLISHED)


def test_a_hub_that_is_broken_is_named_with_its_status(models: Models, hub: Hub) -> None:
    hub.refusal = 500, ""
    with pytest.raises(HubUnavailable, match=r"could not be fetched from the hub, it answered 500") as refused:
        models.find(published=PUBLISHED)
    assert not isinstance(refused.value, ModelNotFound)


def test_without_the_hub_a_model_is_missing_and_the_detail_says_how_to_get_it(models: Models, hub: Hub) -> None:
    hub.close()
    with pytest.raises(ModelNotFound, match=rf"put the files .* of {PUBLISHED} into .* the hub cannot be reached"):
        models.find(published=PUBLISHED)


def test_a_model_without_any_wanted_file_on_the_hub_is_missing(models: Models, hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match=rf"on the hub, {PUBLISHED} has no \*\.bin"):
        models.find(published=PUBLISHED, patterns=("*.bin",))


def test_a_model_of_the_hub_that_is_not_in_the_catalogue_must_be_pinned(models: Models, hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match=rf"as musicgen/{PUBLISHED}/FILE=SHA256"):
        models.find(pins={}, model=PUBLISHED)
    assert hub.asked == []
    pins = {f"musicgen/{PUBLISHED}/model.safetensors": sha256(FILES["model.safetensors"])}
    with pytest.raises(ChecksumMismatch, match=rf"add musicgen/{PUBLISHED}/t5-base/model\.safetensors=SHA256"):
        models.find(pins=pins, model=PUBLISHED)
    pins |= {f"musicgen/{PUBLISHED}/t5-base/model.safetensors": sha256(FILES["t5-base/model.safetensors"])}
    assert content(models.find(pins=pins, model=PUBLISHED)) == FILES


def test_a_pinned_model_with_a_plain_name_is_nobodys_on_the_hub(models: Models, hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match="no weights of 'small' here"):
        models.find(pins=PINS, published=None)
    assert hub.asked == []


# Nowhere


def test_a_model_that_is_nowhere_is_refused_with_the_known_ones(models: Models) -> None:
    with pytest.raises(ModelNotFound, match=r"no weights of 'mine' here \(known are small, medium, .*\): put its"):
        models.find(model="mine")


@pytest.mark.parametrize("name", ["..", "../small", "/etc", "a/../b", "a/b/c", "", ".hidden", "a\\b", "a b", "a/"])
def test_a_name_that_could_lead_elsewhere_is_no_model(models: Models, name: str) -> None:
    write(models.model_dir / "musicgen" / "small")
    with pytest.raises(ModelNotFound, match="is no name of a model"):
        models.find(model=name)


# Digests


def test_the_digest_of_one_file_is_its_own_and_of_several_that_of_theirs(models: Models, tmp_path: Path) -> None:
    folder, folders = write(tmp_path / "x"), models.folders()
    names = ["model.safetensors", "t5-base/model.safetensors"]
    assert folders.digest(folder, names[:1]) == sha256(FILES[names[0]])
    assert folders.digest(folder, names) == sha256("".join(sha256(FILES[name]) for name in names).encode())


def test_a_digest_is_remembered_by_later_processes_until_the_file_changes(models: Models, tmp_path: Path) -> None:
    folder = write(tmp_path / "x")
    first = models.folders().digest(folder, FILES)
    with mock.patch("hashlib.file_digest", side_effect=AssertionError("read again")):
        assert models.folders().digest(folder, FILES) == first
    (folder / "config.json").write_bytes(b"[]")
    status = (folder / "config.json").stat()
    os.utime(folder / "config.json", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert models.folders().digest(folder, FILES) != first


@pytest.mark.parametrize("memory", [b"", b"[]", b"{not json", b'{"a": 1}', b"\xff"])
def test_a_damaged_memory_of_digests_is_passed_over(models: Models, tmp_path: Path, memory: bytes) -> None:
    write(models.cache, {"digests.json": memory})
    assert models.folders().digest(write(tmp_path / "x"), ["config.json"]) == sha256(b"{}")


@pytest.mark.skipif(os.name != "posix", reason="permissions of files are POSIX's")
def test_a_memory_that_others_may_write_is_not_believed(models: Models, tmp_path: Path) -> None:
    folder = write(tmp_path / "x")
    models.folders().digest(folder, ["config.json"])
    memory = models.cache / "digests.json"
    memory.write_text(memory.read_text().replace(sha256(b"{}"), "0" * 64))
    assert models.folders().digest(folder, ["config.json"]) == "0" * 64, "else the next line shows nothing"
    memory.chmod(0o666)
    assert models.folders().digest(folder, ["config.json"]) == sha256(b"{}")
