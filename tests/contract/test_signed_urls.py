"""What an address with rights in it may do, and what it may not."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient, UserDelegationKey

from core.bootstrap import Storage
from core.storage.azure_blobs import AzureBlobs
from local.azurite import Azurite
from tests.contract.conftest import azure_account

CONTAINER = "audio-files"


def write(storage: Storage, name: str) -> None:
    storage.blobs.write(CONTAINER, name, lambda: iter((b"music",)), size_bytes=5, content_type="audio/wav", metadata={})


def content_of(storage: Storage, name: str) -> bytes:
    return b"".join(storage.blobs.read(CONTAINER, name))


def upload_url(storage: Storage, name: str) -> str:
    return storage.blobs.signed_upload_url(CONTAINER, name, expires_at=datetime.now(UTC) + timedelta(minutes=5))


def test_a_signed_url_names_the_blob(storage: Storage) -> None:
    write(storage, "h/a.wav")
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    url = storage.blobs.signed_url(CONTAINER, "h/a.wav", expires_at=expires_at, filename="a.wav")
    assert url.startswith(storage.blobs.url(CONTAINER, "h/a.wav") + "?")


def test_on_azure_a_signed_url_reads_and_only_reads(azurite: Azurite) -> None:
    storage = azure_account(azurite).storage
    write(storage, "aud-123e4567.../generated/gen-123e4567.../a.wav")  # an id as the first service's page shows it
    name = "aud-123e4567.../generated/gen-123e4567.../a.wav"
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    url = storage.blobs.signed_url(CONTAINER, name, expires_at=expires_at, filename="a.wav")
    got = httpx.get(url)
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"music", "audio/wav")
    assert got.headers["content-disposition"] == 'attachment; filename="a.wav"'
    assert httpx.put(url, content=b"x", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 403
    assert httpx.get(storage.blobs.url(CONTAINER, name)).status_code in (403, 404, 409)


def test_a_signed_upload_url_names_the_blob(storage: Storage) -> None:
    assert upload_url(storage, "u/a.wav").startswith(storage.blobs.url(CONTAINER, "u/a.wav") + "?")


def test_on_azure_a_signed_upload_url_takes_a_whole_blob_and_gives_nothing(azurite: Azurite) -> None:
    storage = azure_account(azurite).storage
    write(storage, "u/other.wav")
    url = upload_url(storage, "u/whole.wav")
    assert httpx.put(url, content=b"whole", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 201
    assert content_of(storage, "u/whole.wav") == b"whole"
    folder, _, rest = url.partition("u/whole.wav?")
    other, container = f"{folder}u/other.wav?{rest}", f"{folder.rstrip('/')}?restype=container&comp=list&{rest}"
    refused = [httpx.get(url), httpx.head(url), httpx.delete(url), httpx.get(f"{url}&comp=blocklist")]
    refused += [httpx.put(other, content=b"x", headers={"x-ms-blob-type": "BlockBlob"}), httpx.get(container)]
    assert [answer.status_code for answer in refused] == [403] * len(refused)


def test_on_azure_a_signed_upload_url_works_before_anything_was_written_to_its_container(
    azurite: Azurite, unique_name: Callable[[str], str]
) -> None:
    blobs = azure_account(azurite).storage.blobs
    url = blobs.signed_upload_url(unique_name("c"), "a.wav", expires_at=datetime.now(UTC) + timedelta(minutes=5))
    assert httpx.put(url, content=b"first", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 201


def test_on_azure_a_signed_upload_url_takes_blocks_whose_ids_are_the_clients_own(azurite: Azurite) -> None:
    storage = azure_account(azurite).storage
    url = upload_url(storage, "u/blocks.wav")
    ids = [base64.b64encode(raw).decode() for raw in (b"\x80\xff1", b"abc")]  # one of them is no text
    for block_id, part in zip(ids, (b"one", b"four"), strict=True):
        answer = httpx.put(
            url, params={**parse_qs(urlsplit(url).query), "comp": "block", "blockid": block_id}, content=part
        )
        assert answer.status_code == 201, answer.text
    staged = {block.block_id: block.size_bytes for block in storage.blobs.staged(CONTAINER, "u/blocks.wav")}
    assert staged == {ids[0]: 3, ids[1]: 4}
    assert storage.blobs.properties(CONTAINER, "u/blocks.wav") is None
    blocks = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
    answer = httpx.put(f"{url}&comp=blocklist", content=f"<BlockList>{blocks}</BlockList>")
    assert answer.status_code == 201, answer.text
    assert content_of(storage, "u/blocks.wav") == b"onefour"


class Identity:
    """A credential without an account key, as an account reached by identity has."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("token", int(datetime.now(UTC).timestamp()) + 3600)


class AccountByIdentity(BlobServiceClient):
    """Hands out delegation keys itself, and writes down until when each one lasts and which containers were made."""

    def __init__(self) -> None:
        super().__init__("https://acme.blob.core.windows.net", Identity())
        self.lasting: list[datetime] = []
        self.made: list[str] = []

    def create_container(self, name: Any, metadata: Any = None, public_access: Any = None, **options: Any) -> Any:
        self.made.append(name)

    def get_user_delegation_key(self, key_start_time: Any, key_expiry_time: Any, **options: Any) -> UserDelegationKey:
        self.lasting.append(key_expiry_time)
        key = UserDelegationKey()
        key.signed_oid = key.signed_tid = "11111111-1111-1111-1111-111111111111"
        key.signed_start, key.signed_expiry = (time.isoformat() for time in (key_start_time, key_expiry_time))
        key.signed_service, key.signed_version, key.value = "b", "2025-01-05", base64.b64encode(b"key").decode()
        return key


def test_without_an_account_key_an_upload_url_is_signed_by_a_delegation_key_that_lasts_as_long() -> None:
    account = AccountByIdentity()
    blobs = AzureBlobs(account)
    now = datetime.now(UTC)
    for hours in (1, 2, 24, 25):
        url = blobs.signed_upload_url(CONTAINER, "u/a.wav", expires_at=now + timedelta(hours=hours))
        query = parse_qs(urlsplit(url).query)
        assert (query["sp"], query["sr"], query["skoid"][0][:4]) == (["cw"], ["b"], "1111")
        assert account.lasting[-1] >= now + timedelta(hours=hours)
    assert len(account.lasting) == 2  # one key serves many addresses
    assert account.made == [CONTAINER]
    blobs.signed_upload_url(CONTAINER, "u/a.wav", expires_at=now + timedelta(days=6, hours=23))
    assert account.lasting[-1] < now + timedelta(days=7)
