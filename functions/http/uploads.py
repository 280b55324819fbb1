"""Direct uploads: files of any size go from the client to storage, and can be resumed."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from core.bootstrap import Services
from core.files.upload import NewUpload, Received, Sha256, Upload, UploadedAudio, UploadStatus
from core.jobs.model import Model
from core.ports import StagedBlock
from functions.http.dependencies import ServicesDep, require_json

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])

# https://learn.microsoft.com/rest/api/storageservices/put-blob and /put-block
_LARGEST_PUT_BYTES = 5000 * 2**20
_MOST_BLOCKS = 50_000
_BLOCK_BYTES = 8 * 2**20
_PUT_HEADERS = {"x-ms-blob-type": "BlockBlob"}


class ReceivedView(Model):
    """What has arrived so far."""

    size_bytes: int
    committed: bool = Field(description="Whether they are a file already; blocks are not, before their list is sent")
    blocks: list[StagedBlock] = Field(description="Sent and not committed; block_id is the base64 that was sent")


class UploadView(Model):
    """An upload, and how to send its file."""

    upload_id: str
    filename: str
    size_bytes: int
    status: UploadStatus
    sha256: str | None
    created_at: datetime
    expires_at: datetime = Field(description="When the file is removed")
    url: str | None = Field(description="Takes the file, and can do nothing else; null once the upload is complete")
    url_expires_at: datetime | None = Field(description="GET the upload for a fresh url")
    put_headers: dict[str, str] = Field(description="What a PUT of the whole file to the url must carry")
    largest_put_bytes: int = Field(description="A larger file must be sent in blocks")
    block_size_bytes: int = Field(description="A good size for blocks; there may be 50,000")
    received: ReceivedView | None = Field(description="null once the upload is complete")
    audio: UploadedAudio | None = Field(description="What the file holds, once the upload is complete")
    links: dict[str, str]


class CompleteUpload(BaseModel):
    """The end of an upload."""

    model_config = ConfigDict(extra="forbid")

    sha256: Sha256 | None = Field(None, description="Of the whole file, if it was not known at the beginning")


@router.post("", status_code=201, dependencies=[Depends(require_json)])
def create_upload(body: NewUpload, services: ServicesDep, response: Response) -> UploadView:
    """Begin an upload: the answer's `url` takes the file, for a limited time, and can do nothing else.

    In one request, up to 5,000 MiB:

        curl -T song.flac -H 'x-ms-blob-type: BlockBlob' "$url"

    Or in blocks, which may go at the same time and be sent again after a break. Their ids are base64, all of one
    length; the list at the end puts them together in its order:

        split -b 8m -a 5 song.flac part-
        for part in part-*; do
          curl -T "$part" "$url&comp=block&blockid=$(printf %s "$part" | base64 | sed 's/=/%3D/g')"
        done
        for part in part-*; do printf '<Latest>%s</Latest>' "$(printf %s "$part" | base64)"; done |
          (echo '<BlockList>'; cat; echo '</BlockList>') | curl -X PUT --data-binary @- "$url&comp=blocklist"

    Then `POST /v1/uploads/{upload_id}/complete`.
    """
    upload = services.uploads.create(body)
    response.headers["Location"] = _path(upload)
    return _view(services, upload, Received([], None), response)


@router.get("/{upload_id}")
def get_upload(upload_id: str, services: ServicesDep, response: Response) -> UploadView:
    """An upload. While it is open: what has arrived, and a fresh `url` to go on with."""
    upload = services.uploads.get(upload_id)
    received = services.uploads.received(upload) if upload.status is UploadStatus.OPEN else None
    return _view(services, upload, received, response)


@router.post("/{upload_id}/complete")
def complete_upload(
    upload_id: str, services: ServicesDep, response: Response, body: CompleteUpload | None = None
) -> UploadView:
    """Say that the file has arrived. It is counted, its SHA-256 is taken and checked, and it must hold audio.

    Jobs can use it from then on. Repeating the call is harmless; while bytes are missing or wrong, they can be sent
    again and the upload completed again.
    """
    upload = services.uploads.complete(upload_id, body.sha256 if body else None)
    return _view(services, upload, None, response)


@router.delete("/{upload_id}", status_code=204)
def delete_upload(upload_id: str, services: ServicesDep) -> None:
    """Remove the file, whether it has arrived or not. Jobs that have not read it yet will fail."""
    services.uploads.remove(upload_id)


def _view(services: Services, upload: Upload, received: Received | None, response: Response) -> UploadView:
    url, url_expires_at = services.uploads.address(upload) if received else (None, None)
    response.headers["Cache-Control"] = "no-store"  # the url is a secret
    path = _path(upload)
    return UploadView(
        **upload.model_dump(include=set(UploadView.model_fields) & set(Upload.model_fields)),
        url=url,
        url_expires_at=url_expires_at,
        put_headers=_PUT_HEADERS,
        largest_put_bytes=_LARGEST_PUT_BYTES,
        block_size_bytes=max(_BLOCK_BYTES, -(-upload.size_bytes // _MOST_BLOCKS)),
        received=_received_view(received) if received else None,
        links={"self": path, "complete": f"{path}/complete"},
    )


def _received_view(received: Received) -> ReceivedView:
    committed = received.committed_bytes is not None
    size = received.committed_bytes if received.committed_bytes is not None else received.staged_bytes
    return ReceivedView(size_bytes=size, committed=committed, blocks=received.blocks)


def _path(upload: Upload) -> str:
    return f"/v1/uploads/{quote(upload.upload_id)}"
