"""Azurite as a child process."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite, AzuriteError, accepts_connections, free_ports


def test_what_is_on_disk_is_there_after_a_restart_on_the_same_ports(tmp_path: Path) -> None:
    emulator = Azurite(data_dir=tmp_path)
    with emulator:
        ports = emulator.ports
        queue = QueueServiceClient.from_connection_string(emulator.connection_string).get_queue_client("kept")
        queue.create_queue()
        queue.send_message("still here")
        emulator.stop()
        assert not any(accepts_connections(port) for port in ports)
        emulator.start()
        assert emulator.ports == ports
        assert queue.receive_message().content == "still here"
    assert not any(accepts_connections(port) for port in ports)


def test_a_paused_emulator_does_not_answer_until_it_is_resumed(azurite: Azurite) -> None:
    service = QueueServiceClient.from_connection_string(azurite.connection_string, retry_total=0, read_timeout=0.3)
    azurite.pause()
    try:
        with pytest.raises(AzureError):
            service.get_service_properties()
    finally:
        azurite.resume()
    assert service.get_service_properties()


def test_a_taken_port_is_named(unique_name: Callable[[str], str]) -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(AzuriteError, match=f"port {port} .* is taken"):
        Azurite(first_port=port).start()


def test_what_is_missing_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(AzuriteError, match="make setup"):
        Azurite(home=tmp_path).start()
    with pytest.raises(AzuriteError, match=r"install Node\.js"):
        Azurite(node="no-such-node").start()
