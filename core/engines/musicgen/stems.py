"""One stem on its way from a request through rows of codes to samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.engines.musicgen.melody import melody_from
from core.engines.musicgen.rows import Row
from core.engines.musicgen.sampling import Sampling
from core.engines.musicgen.windows import PROMPT_SHARE, Assembly, plan_windows
from core.errors import EngineFailed, NotFinite
from core.ports import Recording

if TYPE_CHECKING:
    from core.engines.musicgen.model import Codec, Codes, Conditioner
    from core.ports import Block, StemRequest

CHUNK_SECONDS = 0.5
"""How much is decoded at once: enough to cost little more than all at once, little enough to be stopped in between."""

PROMPT_SECONDS = 10.0
"""The most of a recording that a stem goes on from."""

GUIDANCE_SCALE, TOP_K = 3.0, 250
"""The models' defaults."""


class Stem:
    """What is known of a stem: its windows, the codes made so far, and how far they are decoded.

    Its samples depend on its request alone: it has a generator of its own for all its windows, and is decoded in chunks
    that begin and end at the same frames whenever their codes come.

    Attributes:
        frames: how many it takes in all; those that two windows make count twice.
        made: how many of these there are.
    """

    def __init__(
        self, request: StemRequest, prompt: Codes, conditioner: Conditioner, codec: Codec, window_seconds: float
    ) -> None:
        """Plan the windows of a stem that goes on from ``prompt`` ``[K, P]``."""
        self._request, self._conditioner, self._window_seconds = request, conditioner, window_seconds
        self._frame_rate, self._chunk_frames = codec.frame_rate, round(CHUNK_SECONDS * codec.frame_rate)
        self._origin: int = prompt.shape[1]  # where the stem's first frame stands in _codes
        self._windows = plan_windows(
            request.duration_seconds, window_seconds, request.tempo_bpm, codec.frame_rate, self._origin
        )
        self.frames = sum(window.end - window.first for window in self._windows)
        self.made = 0
        room = np.zeros((prompt.shape[0], self._windows[-1].end), np.int64)
        self._codes = np.concatenate([prompt, room], axis=1)
        self._known: int = self._origin
        self._decoded = 0
        self._rest: Codes | None = None  # of the older window, beyond the frame from which the present one is used
        self._window = 0
        self._stream = codec.decoder()
        total, before = (
            round(seconds * codec.sample_rate)
            for seconds in (request.duration_seconds, self._origin / self._frame_rate)
        )
        self._assembly = Assembly(total, codec.sample_rate, -before)
        self._generator = torch.Generator().manual_seed(request.seed)

    def row(self) -> Row:
        """The present window for the batch."""
        window, request = self._windows[self._window], self._request
        with _blaming_the_model():
            conditioning = self._conditioner.condition(request.description, self._melody(window.start))
            null = self._conditioner.null()
        return Row(
            conditioning=conditioning,
            null=null,
            prompt=self._codes[:, self._origin + window.start : self._origin + window.first].copy(),
            frames=window.end - window.start,
            sampling=Sampling(
                temperature=request.temperature,
                top_k=TOP_K if request.top_k is None else request.top_k,
                top_p=request.top_p,
                guidance_scale=GUIDANCE_SCALE if request.guidance_scale is None else request.guidance_scale,
            ),
            generator=self._generator,
        )

    def take(self, codes: Codes) -> Row | None:
        """Add frames ``[K, n]`` of the present window; the row of the next one, if these are its last and there is one.

        ``blocks`` is to be called, to its end, before the next frames are added.
        """
        end = self._known + codes.shape[1]
        self._codes[:, self._known : end] = codes
        self._known, self.made = end, self.made + codes.shape[1]
        if end < self._origin + self._windows[self._window].end or self._window + 1 == len(self._windows):
            return None
        self._window += 1
        self._known = self._origin + self._windows[self._window].first
        self._rest = self._codes[:, self._known : end].copy()
        return self.row()

    def blocks(self) -> Iterator[Block]:
        """Decode what can be decoded: yield samples ``[C, T]``, a chunk's at a time, which may be none.

        Raises:
            NotFinite: samples that are no numbers.
            EngineFailed: the codec broke.
        """
        if self._rest is not None:
            yield from self._decode(self._known, whole=False)
            self._join(self._rest)
            self._rest = None
        last = self._known == self._codes.shape[1]
        yield from self._decode(self._usable(), whole=not last)
        if last:
            yield self._assembly.add(_samples(self._stream.finish))

    def _usable(self) -> int:
        """How far the codes are those of the stem: what a window makes beyond its join is not used."""
        if self._window + 1 == len(self._windows):
            return self._known
        return min(self._known, self._origin + self._windows[self._window + 1].first)

    def _decode(self, end: int, whole: bool) -> Iterator[Block]:
        """Decode frames up to ``end``; if only in ``whole`` chunks, as far as these go."""
        while (frames := min(self._chunk_frames, end - self._decoded)) >= (self._chunk_frames if whole else 1):
            start, self._decoded = self._decoded, self._decoded + frames
            yield self._assembly.add(_samples(self._stream.push, self._codes[:, start : self._decoded]))

    def _join(self, rest: Codes) -> None:
        """Leave the older window's take for the present one's; both go on from what is decoded."""
        older, self._stream = self._stream, copy(self._stream)
        tail = np.concatenate([_samples(older.push, rest), _samples(older.finish)], axis=1)
        join_seconds = self._windows[self._window - 1].join_seconds
        assert join_seconds is not None
        self._assembly.join(tail, join_seconds)

    def _melody(self, start: int) -> Recording | None:
        """What the window hears of the melody, which begins with the stem: before that, its end."""
        melody = self._request.melody
        if melody is None or start == 0:
            return melody
        return melody_from(melody, start / self._frame_rate, self._window_seconds)


def encode_prompt(recording: Recording | None, codec: Codec, window_seconds: float) -> Codes:
    """Codes ``[K, P]`` of what a stem goes on from; of none, none. Raises ``EngineFailed``."""
    with _blaming_the_model():
        return codec.encode(_prompt(recording, window_seconds))


def _prompt(recording: Recording | None, window_seconds: float) -> Recording:
    """The end of a recording, as much as a window may go on from; of none, nothing."""
    if recording is None:
        return Recording(np.zeros((1, 0), np.float32), 1)
    frames = round(min(PROMPT_SECONDS, PROMPT_SHARE * window_seconds) * recording.sample_rate)
    return Recording(recording.samples[:, -frames:], recording.sample_rate)


def _samples(decode: Callable[..., Block], *codes: Codes) -> Block:
    with _blaming_the_model():
        block = decode(*codes)
    if not np.isfinite(block).all():
        raise NotFinite("the model's codec made samples that are not finite")
    return block


@contextmanager
def _blaming_the_model() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch's own
        raise EngineFailed(f"the model broke: {' '.join(str(error).split())[:300]}") from error
