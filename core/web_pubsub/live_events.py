"""What clients of the channel do, and what they are answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.errors import FieldError, InvalidRequest
from core.live.messages import error_answer
from core.ports import Channel
from core.web_pubsub.event import SYSTEM, USER, Event
from core.web_pubsub.sessions import LiveSessions
from core.web_pubsub.signature import EventCheck

MESSAGE = "message"
"""The event under which clients send what they would write into a WebSocket of our own; a simple client's only one."""


@dataclass(frozen=True)
class LiveEvents:
    """Handles the events of one hub.

    Attributes:
        origin: the host name of the service whose events are welcome.
    """

    channel: Channel
    origin: str
    check: EventCheck
    sessions: LiveSessions

    def allows(self, origins: str) -> bool:
        """Whether one of these hosts, separated by commas, is the service that we get events from."""
        return self.origin.lower() in (origin.strip().lower() for origin in origins.split(",") if origin.strip())

    def handle(self, event: Event) -> dict[str, Any] | None:
        """Do what the event asks for; returns the answer that the service is to hand to the client, if it is one alone.

        Several answers go over the channel, in their order. A single one goes back with the event's own response,
        which saves a request to the service for nearly every piece of audio. Raises ``EventNotVerified`` for an event
        that is not the service's, ``ChannelUnavailable``, and ``StorageUnavailable`` while the client's state is away.
        """
        self.check.verify(event)
        if event.hub.lower() != self.channel.hub.lower():
            raise InvalidRequest([FieldError("ce-hub", f"must be {self.channel.hub}", "header")])
        if event.type == USER + MESSAGE:
            return self._answer(event)
        if event.type.startswith(USER):
            return error_answer(InvalidRequest([FieldError("event", f"must be {MESSAGE}")]))
        if event.type == SYSTEM + "disconnected":
            self.sessions.remove(event.connection_id)
        return None

    def _answer(self, event: Event) -> dict[str, Any] | None:
        answers = self.sessions.receive(event.connection_id, event.message)
        if len(answers) == 1:
            return answers[0]
        for answer in answers:
            self.channel.send_to_connection(event.connection_id, answer)
        return None
