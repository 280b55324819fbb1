"""One client's conversation on ``/ws``, without its socket.

The same handler sits behind the socket of a local host and behind Azure Web PubSub, where each message may reach
another process: a conversation can be written down between any two messages.
"""

from __future__ import annotations

import logging

import numpy as np

from core.errors import AudioError, NotAudio, StemworksError, UnsupportedAudio
from core.live.messages import Answer, Form, Message, error_answer, read_message, refuse
from core.live.recogniser import LiveChord, Recogniser
from core.live.sampling import Mono, ToAnalysisRate
from core.live.state import MOST_STATE_BYTES, pack, unpack
from core.live.streams import DEFAULT_RATE, Refused, Stream, begun_by, may_begin, restored, stated_by
from core.live.wav_stream import Samples

__all__ = ["MOST_STATE_BYTES", "LiveConnection"]

_ACK: Answer = {"ack": True}
_ASSUMED = (
    f"the bytes begin no WAV, Ogg or WebM, and no sample_rate was stated: they are taken for 16-bit little-endian PCM, "
    f"{DEFAULT_RATE:,} Hz, mono"
)
log = logging.getLogger(__name__)


class LiveConnection:
    """Hears one client and says the chords; whatever the client sends, it answers and stays as it is."""

    def __init__(self) -> None:
        self._begin(Form())

    def receive(self, message: str | bytes) -> list[Answer]:
        """The answers to one message, in order: text, or the bytes of a binary frame. Never raises.

        ``{"ack": true}`` for data that arrived, whether it can be taken or not: clients count on one for each piece;
        ``{"chords", "labels", "times", "confidence"}`` as chords become
        known, with the seconds from the first sample at which each began; ``{"type": "notice", "detail"}`` where
        something had to be assumed; ``{"error": {"type", "detail"}}`` for what cannot be taken.
        """
        arrived: list[Answer] = []
        try:
            read = read_message(message)
            arrived = [_ACK] if read.audio is not None else []
            return [*arrived, *self._answers(read)]
        except StemworksError as error:
            return [*arrived, error_answer(error)]
        except Exception:  # a fault of ours in one message must not end the conversation
            log.exception("a live message could not be handled")
            return [*arrived, error_answer(StemworksError("the server could not handle this message"))]

    def dump(self) -> bytes:
        """The conversation so far, at most ``MOST_STATE_BYTES``."""
        return pack(
            {
                "form": vars(self._form),
                "stream": self._stream.state() if self._stream else None,
                "head": self._head,
                "rate": self._resampler.sample_rate if self._resampler else None,
                "waiting": self._resampler.state() if self._resampler else None,
                "recogniser": self._recogniser.state(),
            }
        )

    @classmethod
    def load(cls, data: bytes) -> LiveConnection:
        """The conversation that was dumped. Raises ``ValueError`` if it was not, or was damaged since."""
        state = unpack(data)
        connection = cls()
        try:
            connection._form = Form(**state["form"])
            connection._stream = restored(state["stream"]) if state["stream"] else None
            connection._head = bytes(state["head"])
            if state["rate"]:
                connection._resampler = ToAnalysisRate(state["rate"])
                connection._resampler.restore(state["waiting"])
            connection._recogniser = Recogniser.restored(state["recogniser"])
        except (KeyError, TypeError, ValueError, AttributeError, StemworksError) as error:
            raise ValueError("the state is not one of a live conversation") from error
        return connection

    def _begin(self, form: Form) -> None:
        """Start anew, from second 0."""
        self._form = form
        self._stream: Stream | None = None
        self._head = b""  # too few bytes to tell what they begin
        self._resampler: ToAnalysisRate | None = None
        self._recogniser = Recogniser()

    def _answers(self, message: Message) -> list[Answer]:
        if message.type == "watch":
            refuse("/type", "watch is understood where the server itself holds the socket, not here")
        match message.type:
            case "ping":
                return [{"type": "pong"}]
            case "pong":
                return []
            case "stop":
                rest = self._recogniser.finish()
                self._begin(Form())
                return [*_chords(rest), {"type": "stopped"}]
            case "reset":
                self._begin(Form())
                return [{"type": "reset"}]
            case "start":
                self._begin(message.form)
                return [{"type": "started", **vars(message.form)}, *self._hear(message)]
            case _:
                return self._hear(message)

    def _hear(self, message: Message) -> list[Answer]:
        if message.audio is None:
            return []
        content = self._head + message.audio
        notices = self._open(message, content)
        if self._stream is None:
            self._head = content
            return []
        self._head = b""
        heard: list[Mono] = []
        try:
            heard += (self._resampled(block) for block in self._stream.blocks(content))
        except (UnsupportedAudio, NotAudio) as error:
            self._stream = Refused(error.detail)
            raise
        except AudioError as error:  # of a part; what came before it, and what comes next, is heard
            notices.append(error_answer(error))
        found = self._recogniser.add(np.concatenate(heard)) if heard else []
        return [*notices, *_chords(found)]

    def _open(self, message: Message, content: bytes) -> list[Answer]:
        """Have a stream for ``content``, unless more of it is needed to tell which; returns what there is to say."""
        form = self._form.updated(message.form)
        if form != self._form and isinstance(self._stream, Samples | Refused):
            self._stream = None
        self._form = form
        begun = begun_by(content, anything=self._stream is None)
        if begun is not None:
            self._stream = begun
        elif message.readable and (self._stream is None or isinstance(self._stream, Samples)):
            refuse("/data", "is text, but neither base64 nor audio")
        elif self._stream is None and (form.format == "pcm" or not may_begin(content)):
            self._stream = stated_by(form)
            if isinstance(self._stream, Samples) and form.sample_rate is None:
                return [{"type": "notice", "detail": _ASSUMED}]
        return []

    def _resampled(self, block: Mono) -> Mono:
        assert self._stream is not None
        if self._resampler is None or self._resampler.sample_rate != self._stream.sample_rate:
            self._resampler = ToAnalysisRate(self._stream.sample_rate)
        return self._resampler.add(block)


def _chords(found: list[LiveChord]) -> list[Answer]:
    if not found:
        return []
    return [
        {
            "chords": [chord.symbol for chord in found],
            "labels": [chord.label for chord in found],
            "times": [chord.start_seconds for chord in found],
            "confidence": [chord.confidence for chord in found],
        }
    ]
