"""The local host's blob trigger: receipts, retries and poison."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from azure.storage.queue import QueueServiceClient
from azurefunctions.extensions.bindings.blob import BlobClient, StorageStreamDownloader

from bench.counting_proxy import CountingProxy
from local.azurite import Azurite
from local.functions import accepts
from tests.integration.local_host import SampleHost, wait_for


def test_a_blob_runs_once_for_each_etag_and_leaves_a_receipt(sample_host: SampleHost) -> None:
    container = sample_host.container(f"{sample_host.prefix}-inbox")
    container.upload_blob("notes.txt", b"another pattern")
    blob = container.upload_blob("takes/one.wav", b"first", metadata={"by": "me"})
    (event,) = sample_host.wait_for_events("inbox", content="first")
    assert event["name"] == f"{sample_host.prefix}-inbox/takes/one.wav"
    assert event["uri"] == blob.url
    assert event["length"] == 5
    assert event["metadata"] == {"by": "me"}
    etag = blob.get_blob_properties().etag
    receipt = f"blobreceipts/{sample_host.prefix}/Host.Functions.inbox/{etag}/{container.container_name}/takes/one.wav"
    assert sample_host.container("azure-webjobs-hosts").get_blob_client(receipt).exists()
    blob.upload_blob(b"second", overwrite=True)
    sample_host.wait_for_events("inbox", content="second")
    assert len(sample_host.events("inbox", content="first")) == 1
    assert sample_host.events("inbox", content="another pattern") == []


def test_a_failing_blob_is_tried_five_times_then_named_in_the_poison_queue(
    azurite: Azurite, sample_host: SampleHost
) -> None:
    sample_host.container(f"{sample_host.prefix}-inbox").upload_blob("broken.wav", b"fail")
    poison = QueueServiceClient.from_connection_string(azurite.connection_string).get_queue_client(
        "webjobs-blobtrigger-poison"
    )
    sample_host.wait_for_events("inbox", count=5, content="fail")
    wait_for(lambda: "goes to webjobs-blobtrigger-poison" in sample_host.process.log())
    (message,) = wait_for(lambda: [m for m in poison.peek_messages(32) if sample_host.prefix in m.content])
    assert json.loads(message.content)["BlobName"] == "broken.wav"
    assert len(sample_host.events("inbox", content="fail")) == 5


def test_a_restarted_host_does_not_run_old_blobs_again(
    azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    prefix = unique_name("r")
    with SampleHost(azurite, tmp_path, prefix) as host:
        container = host.container(f"{prefix}-inbox")
        container.upload_blob("old.wav", b"old")
        host.wait_for_events("inbox", content="old")
        assert host.process.stop() == 0
    container.upload_blob("new.wav", b"new")
    with SampleHost(azurite, tmp_path, prefix) as host:
        host.wait_for_events("inbox", content="new")
        assert len(host.events("inbox", content="old")) == 1


def test_a_function_that_takes_a_client_gets_one_and_nobody_downloads_the_content(
    azurite: Azurite, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    prefix = unique_name("c")
    with CountingProxy(azurite.connection_string) as proxy, SampleHost(proxy, tmp_path, prefix) as host:
        container = host.container(f"{prefix}-large")
        blob = container.upload_blob("takes/Söng #1.flac", bytes(6 * 2**20))
        (event,) = host.wait_for_events("large")
        assert (event["container"], event["name"], event["size"]) == (f"{prefix}-large", blob.blob_name, 6 * 2**20)
        assert event["url"] == blob.url
        of_the_blob = {passed.method for passed in proxy.transactions() if passed.path == urlsplit(blob.url).path}
        assert of_the_blob == {"PUT", "HEAD"}


def test_a_function_that_takes_a_client_can_be_run_by_hand(sample_host: SampleHost) -> None:
    container = sample_host.container(f"{sample_host.prefix}-elsewhere")
    container.upload_blob("song.flac", b"music")
    with sample_host.http as http:
        path = f"{container.container_name}/song.flac"
        answer = http.post("/admin/functions/large", params={"wait": "true"}, json={"input": path})
        assert answer.status_code == 200
        missing = http.post("/admin/functions/large", json={"input": f"{container.container_name}/none.flac"})
        assert missing.status_code == 400
    (event,) = sample_host.events("large", container=container.container_name)
    assert (event["name"], event["size"]) == ("song.flac", 5)


def test_clients_of_blobs_are_for_blob_triggers_alone() -> None:
    assert accepts("blobTrigger", BlobClient)
    assert accepts("blobTrigger", StorageStreamDownloader)
    assert not accepts("blobTrigger", list[BlobClient])
    assert not accepts("queueTrigger", BlobClient)
    assert not accepts("timerTrigger", BlobClient)
