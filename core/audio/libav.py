"""Files opened with ffmpeg's libraries so that a hostile one can do no more than fail."""

from __future__ import annotations

import os
from typing import IO, NoReturn

import av
from av.container import InputContainer

from core.audio.formats import Container

DEMUXERS: dict[Container, str] = {
    "wav": "wav", "flac": "flac", "mp3": "mp3", "mp4": "mov", "aac": "aac", "ogg": "ogg",
}  # fmt: skip
CODECS: dict[Container, tuple[str, ...]] = {
    "wav": ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
    "flac": ("flac",),
    "mp3": ("mp3", "mp3float"),
    "mp4": ("aac", "alac"),
    "aac": ("aac",),
    "ogg": ("vorbis", "opus", "flac"),
}
"""The decoders that may run at all, by ffmpeg's names."""

_PROBE_BYTES = 256 * 1024
_PROBE_MICROSECONDS = 5_000_000
_BUFFER_BYTES = 64 * 1024


class WatchedFile:
    """A file, from ``start`` on, for a C library's callbacks: what it raises is kept, and the library sees its end.

    libav and libsndfile turn an error of a callback into a short read or an error of their own, or pass over it, so
    nothing is raised inside a callback; ``check`` raises it afterwards.
    """

    def __init__(self, file: IO[bytes], start: int = 0) -> None:
        self.error: Exception | None = None
        self._file = file
        self._start = start

    def check(self) -> None:
        """Raise what the file raised, if it did."""
        if self.error is not None:
            raise self.error

    def read(self, size_bytes: int) -> bytes:
        """At most ``size_bytes``; nothing at the end, and after an error."""
        if self.error is not None:
            return b""
        try:
            # whoever returns too much must not overflow libav's buffer
            return bytes(self._file.read(size_bytes)[:size_bytes])
        except Exception as error:  # noqa: BLE001 - check() raises it, whatever it is
            self.error = error
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new position, or −1 if there is none such."""
        if self.error is not None:
            return -1
        if whence == os.SEEK_SET:
            offset += self._start
        try:
            return self._file.seek(offset, whence) - self._start
        except ValueError:  # a hostile header may point before the beginning
            return -1
        except Exception as error:  # noqa: BLE001 - check() raises it, whatever it is
            self.error = error
            return -1

    def write(self, content: bytes) -> int:
        """All of ``content``, or nothing after an error."""
        if self.error is None:
            try:
                self._file.write(content)
            except Exception as error:  # noqa: BLE001 - check() raises it, whatever it is
                self.error = error
        return len(content)

    def tell(self) -> int:
        """The present position."""
        return self._file.tell() - self._start


def open_input(file: WatchedFile, container: Container) -> InputContainer:
    """Open as this container and nothing else.

    The demuxer is not guessed, no decoder but the container's own is ever started (a cover picture's, for one), and
    nothing that the file points to is opened: not another file, not an address.

    Raises:
        av.FFmpegError: it cannot be opened.
        Exception: what ``file`` raised.
    """
    file.seek(0)
    options = {
        "format_whitelist": DEMUXERS[container],
        "codec_whitelist": ",".join(CODECS[container]),
        "protocol_whitelist": "none",
        "probesize": str(_PROBE_BYTES),
        "analyzeduration": str(_PROBE_MICROSECONDS),
    }
    if container == "mp4":
        options["ignore_chapters"] = "1"
    try:
        opened = av.open(
            file,
            format=DEMUXERS[container],
            container_options=options,
            metadata_errors="replace",
            buffer_size=_BUFFER_BYTES,
            io_open=_refuse,
        )
    finally:
        file.check()
    assert isinstance(opened, InputContainer)
    return opened


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError(f"the file refers to {url!r}, which is not opened")
