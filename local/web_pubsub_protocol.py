"""What goes over a client's WebSocket: bare messages, or the JSON subprotocols of Web PubSub."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Literal

JSON_PROTOCOL = "json.webpubsub.azure.v1"
RELIABLE_PROTOCOL = "json.reliable.webpubsub.azure.v1"
PROTOCOLS = (RELIABLE_PROTOCOL, JSON_PROTOCOL)

DataType = Literal["json", "text", "binary"]
CONTENT_TYPES: dict[DataType, str] = {
    "json": "application/json",
    "text": "text/plain",
    "binary": "application/octet-stream",
}


class ProtocolViolation(Exception):
    """The client sent a frame that the subprotocol does not know; the service lets go of it."""


@dataclass(frozen=True)
class Payload:
    """What a message carries: a JSON value, text, or bytes."""

    data_type: DataType
    data: Any

    @classmethod
    def of_request(cls, request: dict[str, Any]) -> "Payload":
        """From a client's frame, with base64 for bytes; raises ProtocolViolation."""
        data_type, data = request.get("dataType", "json"), request.get("data")
        if data_type == "json":
            return cls("json", data)
        if data_type == "text" and isinstance(data, str):
            return cls("text", data)
        if data_type in ("binary", "protobuf") and isinstance(data, str):
            try:
                return cls("binary", base64.b64decode(data, validate=True))
            except binascii.Error:
                raise ProtocolViolation("data is not base64") from None
        raise ProtocolViolation(f"data is not of dataType {data_type!r}")

    @classmethod
    def of_body(cls, content_type: str, body: bytes) -> "Payload":
        """From an HTTP body; raises ValueError when it is not what its type says."""
        essence = content_type.partition(";")[0].strip().lower()
        if essence == CONTENT_TYPES["json"]:
            return cls("json", json.loads(body))
        if essence == CONTENT_TYPES["text"]:
            return cls("text", body.decode())
        return cls("binary", body)

    def body(self) -> bytes:
        """As an HTTP body of the type CONTENT_TYPES[data_type]."""
        return self.data if self.data_type == "binary" else str(self.bare()).encode()

    def bare(self) -> str | bytes:
        """As a frame for a client without a subprotocol."""
        return json.dumps(self.data) if self.data_type == "json" else self.data

    def members(self) -> dict[str, Any]:
        """As it stands in a frame of the subprotocols."""
        data = base64.b64encode(self.data).decode() if self.data_type == "binary" else self.data
        return {"dataType": self.data_type, "data": data}


def parse_frame(frame: str | bytes) -> dict[str, Any]:
    """A client's request; raises ProtocolViolation."""
    try:
        request = json.loads(frame)
    except (ValueError, RecursionError):
        raise ProtocolViolation("a frame must hold one JSON object") from None
    if not isinstance(request, dict):
        raise ProtocolViolation("a frame must hold one JSON object")
    return request


def group_name(request: dict[str, Any]) -> str:
    group = request.get("group")
    if not isinstance(group, str) or not 1 <= len(group) <= 1024:
        raise ProtocolViolation("group must be a name of 1 to 1,024 characters")
    return group


def ack(ack_id: int, error: tuple[str, str] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"type": "ack", "ackId": ack_id, "success": error is None}
    if error:
        answer["error"] = {"name": error[0], "message": error[1]}
    return answer
