"""Direct uploads: what is accepted, what is not, and what is cleared away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import pytest

from core.audio.wav import encode_wav
from core.bootstrap import Storage
from core.errors import (
    InvalidRequest,
    MislabeledAudio,
    NotAudio,
    RowNotFound,
    SourceChanged,
    SourceNotFound,
    StorageUnavailable,
    UploadIncomplete,
    UploadNotFound,
)
from core.files.source import UPLOADS
from core.files.sources import audio_probe
from core.files.upload import NewUpload, Upload, UploadedAudio, UploadStatus
from core.files.uploads import Uploads
from core.ports import Change, Table
from core.settings import Settings
from tests.clock import Clock

SONG = b"RIFF" + bytes(range(256)) * 4
DIGEST = hashlib.sha256(SONG).hexdigest()
AUDIO = UploadedAudio(container="wav", codec="pcm_s16le", sample_rate=44100, channels=2, duration_seconds=1.5)
SETTINGS = Settings.read({"MAX_UPLOAD_BYTES": "2000", "UPLOAD_SECONDS": "3600", "RETENTION_SECONDS": "7200"})


def probe(file: BinaryIO, filename: str) -> UploadedAudio:
    """Takes whatever begins like a wav file."""
    if file.read(4) != b"RIFF":
        raise NotAudio(f"{filename} holds no audio")
    return AUDIO


@pytest.fixture
def uploads(storage: Storage, clock: Clock, unique_name: Callable[[str], str]) -> Uploads:
    return Uploads(storage.tables["uploads"], storage.blobs, probe, clock, lambda: unique_name("u"), SETTINGS)


def begin(uploads: Uploads, filename: str = "song.wav", sha256: str | None = None) -> Upload:
    return uploads.create(NewUpload(filename=filename, size_bytes=len(SONG), sha256=sha256))


def send(uploads: Uploads, upload: Upload, content: bytes = SONG) -> None:
    """What the client does with the address."""
    uploads.blobs.write(
        UPLOADS, upload.blob, lambda: iter((content,)), size_bytes=len(content), content_type="", metadata={}
    )


def arrived(uploads: Uploads) -> Upload:
    upload = begin(uploads)
    send(uploads, upload)
    return uploads.complete(upload.upload_id)


def test_a_new_upload_is_open_and_nothing_of_it_has_arrived(uploads: Uploads) -> None:
    upload = begin(uploads)
    assert uploads.get(upload.upload_id) == upload
    assert (upload.status, upload.filename, upload.size_bytes) == (UploadStatus.OPEN, "song.wav", len(SONG))
    received = uploads.received(upload)
    assert (received.blocks, received.committed_bytes) == ([], None)
    assert (upload.expires_at - upload.created_at).total_seconds() == 7200


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(uploads: Uploads) -> None:
    with pytest.raises(InvalidRequest, match=r"/size_bytes: must be at most 2000 \(MAX_UPLOAD_BYTES\), not 2001"):
        uploads.create(NewUpload(filename="song.wav", size_bytes=2001))


def test_an_upload_that_nobody_began_is_not_found(uploads: Uploads) -> None:
    for upload_id in ("none", "a/b", ""):
        with pytest.raises(UploadNotFound):
            uploads.get(upload_id)


def test_a_whole_file_is_accepted_with_its_checksum_and_what_it_holds(uploads: Uploads) -> None:
    upload = arrived(uploads)
    assert (upload.status, upload.sha256, upload.audio) == (UploadStatus.COMPLETE, DIGEST, AUDIO)
    assert uploads.get(upload.upload_id) == upload
    source = uploads.source(upload.upload_id)
    assert (source.container, source.name, source.filename, source.sha256) == (UPLOADS, upload.blob, "song.wav", DIGEST)
    assert uploads.blobs.read_range(source.container, source.name, 0, source.size_bytes, source.etag) == SONG


def test_blocks_are_listed_until_they_are_committed(uploads: Uploads) -> None:
    upload = begin(uploads)
    for block_id, part in (("1", SONG[:1000]), ("2", SONG[1000:])):
        uploads.blobs.stage(UPLOADS, upload.blob, block_id, part)
    received = uploads.received(upload)
    assert {block.block_id: block.size_bytes for block in received.blocks} == {"1": 1000, "2": len(SONG) - 1000}
    assert (received.staged_bytes, received.committed_bytes) == (len(SONG), None)
    with pytest.raises(UploadIncomplete, match=f"2 blocks with {len(SONG)} of {len(SONG)} bytes .* not committed"):
        uploads.complete(upload.upload_id)
    uploads.blobs.commit(UPLOADS, upload.blob, ["1", "2"], content_type="", metadata={})
    received = uploads.received(upload)
    assert (received.blocks, received.committed_bytes) == ([], len(SONG))
    assert uploads.complete(upload.upload_id).sha256 == DIGEST


def test_a_file_that_never_came_is_incomplete(uploads: Uploads) -> None:
    with pytest.raises(UploadIncomplete, match=f"nothing of its {len(SONG)} bytes has arrived"):
        uploads.complete(begin(uploads).upload_id)


@pytest.mark.parametrize("content", [SONG[:-1], SONG + b"!", b""])
def test_a_file_of_another_size_is_incomplete(uploads: Uploads, content: bytes) -> None:
    upload = begin(uploads)
    send(uploads, upload, content)
    with pytest.raises(UploadIncomplete, match=f"{len(content)} bytes arrived, {len(SONG)} were announced"):
        uploads.complete(upload.upload_id)


@pytest.mark.parametrize("announced", [None, DIGEST])
def test_other_bytes_than_the_checksums_say_are_refused_until_the_right_ones_come(
    uploads: Uploads, announced: str | None
) -> None:
    upload = begin(uploads, sha256=announced)
    send(uploads, upload, b"RIFF" + bytes(len(SONG) - 4))
    with pytest.raises(UploadIncomplete, match=f"not {DIGEST}"):
        uploads.complete(upload.upload_id, None if announced else DIGEST)
    assert uploads.get(upload.upload_id).status is UploadStatus.OPEN
    send(uploads, upload)
    assert uploads.complete(upload.upload_id, DIGEST).status is UploadStatus.COMPLETE


def test_a_file_without_audio_is_refused(uploads: Uploads) -> None:
    upload = begin(uploads)
    send(uploads, upload, b"PK" + SONG[2:])
    with pytest.raises(NotAudio, match=r"song\.wav holds no audio"):
        uploads.complete(upload.upload_id)
    with pytest.raises(UploadIncomplete, match="has not been completed"):
        uploads.source(upload.upload_id)


@pytest.fixture
def quiet() -> bytes:
    """A hundredth of a second of silence, as a wav file."""
    return b"".join(encode_wav([np.zeros((2, 480), np.float32)], 480, 48000, 2))


@pytest.fixture
def examining(uploads: Uploads) -> Uploads:
    """The same, with the probe that the product has."""
    return replace(uploads, probe=audio_probe(60))


def test_what_arrived_is_looked_into(examining: Uploads, quiet: bytes) -> None:
    upload = examining.create(NewUpload(filename="quiet.wav", size_bytes=len(quiet)))
    send(examining, upload, quiet)
    assert examining.complete(upload.upload_id).audio == UploadedAudio(
        container="wav", codec="pcm_s16le", sample_rate=48000, channels=2, duration_seconds=0.01
    )


def test_a_file_that_is_not_what_its_name_says_is_refused(examining: Uploads, quiet: bytes) -> None:
    upload = examining.create(NewUpload(filename="quiet.mp3", size_bytes=len(quiet)))
    send(examining, upload, quiet)
    with pytest.raises(MislabeledAudio):
        examining.complete(upload.upload_id)


def test_completing_again_gives_the_same_answer(uploads: Uploads) -> None:
    upload = arrived(uploads)
    assert uploads.complete(upload.upload_id) == uploads.complete(upload.upload_id, DIGEST) == upload
    with pytest.raises(UploadIncomplete, match=DIGEST):
        uploads.complete(upload.upload_id, "0" * 64)


def test_a_file_that_was_written_again_is_no_longer_the_one_that_was_accepted(uploads: Uploads) -> None:
    upload = arrived(uploads)
    send(uploads, upload)
    with pytest.raises(SourceChanged, match="overwritten after it was completed"):
        uploads.complete(upload.upload_id)
    uploads.blobs.remove_all(UPLOADS, upload.folder)
    with pytest.raises(SourceNotFound):
        uploads.complete(upload.upload_id)


def during_the_probe(uploads: Uploads, act: Callable[[], object]) -> Uploads:
    """The same, with something that happens while the file is looked into, once."""
    acts: Iterator[Callable[[], object]] = iter([act])

    def interrupted(file: BinaryIO, filename: str) -> UploadedAudio:
        next(acts, lambda: None)()
        return probe(file, filename)

    return replace(uploads, probe=interrupted)


def test_two_that_complete_it_at_once_get_the_same_answer(uploads: Uploads) -> None:
    upload = begin(uploads)
    send(uploads, upload)
    first: list[Upload] = []
    slow = during_the_probe(uploads, lambda: first.append(uploads.complete(upload.upload_id)))
    assert [slow.complete(upload.upload_id)] == first


def test_an_upload_that_is_removed_while_it_is_completed_is_gone(uploads: Uploads) -> None:
    upload = begin(uploads)
    send(uploads, upload)
    with pytest.raises(UploadNotFound):
        during_the_probe(uploads, lambda: uploads.remove(upload.upload_id)).complete(upload.upload_id)
    assert uploads.blobs.list_all(UPLOADS, upload.folder) == []


def test_an_address_lasts_no_longer_than_the_upload(uploads: Uploads, clock: Clock) -> None:
    upload = begin(uploads)
    url, expires_at = uploads.address(upload)
    assert url.startswith(uploads.blobs.url(UPLOADS, upload.blob) + "?")
    assert (expires_at - clock()).total_seconds() == 3600
    clock.advance(7000)
    assert uploads.address(upload)[1] == upload.expires_at


@pytest.mark.parametrize(
    ("filename", "name"),
    [("song.wav", "song.wav"), ("Söng #1?.wav", "S-ng-1-.wav"), ("../../etc/x.wav", "etc-x.wav"), ("♪", "file")],
)
def test_a_blob_has_the_files_name_in_plain_characters(uploads: Uploads, filename: str, name: str) -> None:
    upload = begin(uploads, filename)
    assert upload.blob == f"{upload.upload_id}/{name}"
    send(uploads, upload)
    assert uploads.complete(upload.upload_id).filename == filename


def test_uploads_past_their_time_are_removed_and_others_stay(uploads: Uploads, clock: Clock) -> None:
    old = arrived(uploads)
    clock.advance(1)
    young = arrived(uploads)
    clock.advance(7199)
    with pytest.raises(UploadNotFound):
        uploads.source(old.upload_id)
    assert uploads.expire() == 1
    assert uploads.expire() == 0
    assert uploads.blobs.list_all(UPLOADS, old.folder) == []
    assert uploads.source(young.upload_id).name == young.blob
    with pytest.raises(RowNotFound):
        uploads.table.get("uploads", f"upload:{old.upload_id}")


def test_blocks_that_nobody_committed_are_removed_as_well(uploads: Uploads, clock: Clock) -> None:
    upload = begin(uploads)
    uploads.blobs.stage(UPLOADS, upload.blob, "1", SONG)
    clock.advance(7200)
    uploads.expire()
    assert uploads.blobs.staged(UPLOADS, upload.blob) == []
    assert uploads.blobs.list_all(UPLOADS, upload.folder) == []


class DiesOnce:
    """A table whose first commit fails: the process died before it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._alive = False
        self.get, self.scan = table.get, table.scan

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        if not self._alive:
            self._alive = True
            raise StorageUnavailable
        return self._table.commit(partition, *changes)


def test_a_timer_that_dies_after_removing_the_file_is_followed_by_one_that_removes_the_rows(
    uploads: Uploads, clock: Clock
) -> None:
    arrived(uploads)
    clock.advance(7200)
    with pytest.raises(StorageUnavailable):
        replace(uploads, table=DiesOnce(uploads.table)).expire()
    assert uploads.expire() == 1
    assert uploads.expire() == 0


def test_a_removed_upload_is_gone_at_once(uploads: Uploads) -> None:
    upload = arrived(uploads)
    uploads.remove(upload.upload_id)
    assert uploads.blobs.list_all(UPLOADS, upload.folder) == []
    for call in (uploads.get, uploads.complete, uploads.source, uploads.remove):
        with pytest.raises(UploadNotFound):
            call(upload.upload_id)


def test_what_an_address_brings_after_the_removal_goes_when_the_upload_expires(uploads: Uploads, clock: Clock) -> None:
    upload = begin(uploads)
    uploads.remove(upload.upload_id)
    send(uploads, upload)
    clock.advance(7200)
    assert uploads.expire() == 1
    assert uploads.blobs.list_all(UPLOADS, upload.folder) == []


def test_a_file_that_came_with_a_request_gets_one_place_which_expires(uploads: Uploads, clock: Clock) -> None:
    reserved = uploads.reserve("job-1", "song.wav", len(SONG), 7200)
    clock.advance(60)
    assert uploads.reserve("job-1", "song.wav", len(SONG), 7200) == reserved
    with pytest.raises(UploadNotFound):
        uploads.get("job-1")
    send(uploads, reserved)
    clock.advance(7140)
    assert uploads.expire() == 1
    assert uploads.blobs.list_all(UPLOADS, reserved.folder) == []
