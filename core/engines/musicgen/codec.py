"""EnCodec between recordings and codes, mono or stereo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from core.audio.resample import resample
from core.engines.musicgen.streaming import DecoderStream, measure

if TYPE_CHECKING:
    from core.engines.musicgen.encodec import Encodec
    from core.engines.musicgen.model import Codes, StreamingDecoder
    from core.ports import Block, Recording


class EncodecCodec:
    """A ``Codec``, in float32. Several streams may be decoded at once, in threads of their own."""

    def __init__(self, encodec: Encodec, stereo: bool) -> None:
        """Wrap a model that was moved to its device.

        Args:
            stereo: whether left and right are coded apart by a mono model, their codebooks taking turns.
        """
        self.sample_rate = encodec.sample_rate
        self.channels = 2 if stereo else encodec.channels
        self._hop_length = measure(encodec.layers)[0]
        self.frame_rate = self.sample_rate // self._hop_length
        self._encodec = encodec
        self._rows = 2 if stereo else 1
        self._num_codebooks = self._rows * encodec.num_codebooks
        self._device = next(encodec.layers[0].parameters()).device

    @torch.inference_mode()
    def encode(self, recording: Recording) -> Codes:
        """Codes ``[K, T]`` of the whole frames at the end of a recording.

        A beginning shorter than a frame is left out: a last frame filled up with silence would be gone on from as such.
        """
        samples = self._converted(recording)
        frames = samples.shape[1] // self._hop_length
        if not frames:
            return np.zeros((self._num_codebooks, 0), np.int64)
        samples = samples[:, samples.shape[1] - frames * self._hop_length :]
        channels = self.channels // self._rows
        rows = torch.tensor(samples).reshape(self._rows, channels, -1)
        codes = self._encodec.encode(rows.to(self._device))
        return codes.transpose(0, 1).flatten(0, 1).cpu().numpy()

    def decoder(self) -> StreamingDecoder:
        """A decoder for one stream of codes."""
        return DecoderStream(self._num_codebooks, self._dequantize, self._encodec.layers)

    def _dequantize(self, codes: Codes) -> torch.Tensor:
        shape = (self._encodec.num_codebooks, self._rows, codes.shape[1])
        rows = torch.from_numpy(np.ascontiguousarray(codes)).reshape(shape).transpose(0, 1)
        return self._encodec.dequantize(rows.to(self._device))

    def _converted(self, recording: Recording) -> Block:
        """At the codec's rate, with its number of channels."""
        samples = recording.samples
        if samples.shape[0] != self.channels:
            samples = np.broadcast_to(samples.mean(axis=0), (self.channels, samples.shape[1]))
        if recording.sample_rate == self.sample_rate:
            return samples
        blocks = list(resample([samples], recording.sample_rate, self.sample_rate, self.channels))
        return np.concatenate([np.zeros((self.channels, 0), np.float32), *blocks], axis=1)
