"""Files that were broken at random: each decodes to sound samples within the limits, or raises an ``AudioError``.

They are decoded in a process of their own, so that a crash inside a codec fails a test and names the seed. To see one
again: ``python -m tests.unit.test_decode_fuzz SEED SEED+1``.
"""

import faulthandler
import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from core.audio.decode import decode, probe
from core.audio.libav import WatchedFile
from core.audio.oggpages import SteadySerial
from core.errors import AudioError
from tests.audio_files import EVERY_KIND, music, sample_rate_of

SEEDS = 3000
PROCESSES = 3
LONGEST_SECONDS = 20.0
MOST_SECONDS_EACH = 5.0
MOST_MEMORY_BYTES = 4 * 2**30
FORMS = ((0.4, 1, None), (0.4, 2, None), (0.05, 2, None), (0.4, 2, 32000), (0.4, 1, 8000))
"""Seconds, channels and sample rate (``None`` for the kind's own) of what is broken."""
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Breaker = Callable[[bytearray, np.random.Generator], bytearray]


def span(content: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(content)))
    return start, min(len(content), start + int(rng.integers(1, 400)))


def flip_bits(content: bytearray, rng: np.random.Generator) -> bytearray:
    for position in rng.integers(len(content), size=int(rng.integers(1, 30))):
        content[position] ^= 1 << int(rng.integers(8))
    return content


def flip_bits_of_the_header(content: bytearray, rng: np.random.Generator) -> bytearray:
    head = min(len(content), 300)
    return flip_bits(content[:head], rng) + content[head:]


def flip_bits_of_the_end(content: bytearray, rng: np.random.Generator) -> bytearray:
    tail = max(0, len(content) - 900)  # where MP4 has its index
    return content[:tail] + flip_bits(content[tail:], rng)


def truncate(content: bytearray, rng: np.random.Generator) -> bytearray:
    return content[: int(rng.integers(len(content)))]


def insert_garbage(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = span(content, rng)
    return content[:start] + bytearray(rng.bytes(end - start)) + content[start:]


def overwrite_with_garbage(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = span(content, rng)
    return content[:start] + bytearray(rng.bytes(end - start)) + content[end:]


def leave_out(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = span(content, rng)
    return content[:start] + content[end:]


def repeat(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = span(content, rng)
    return content[:end] + content[start:end] * int(rng.integers(1, 50)) + content[end:]


def swap(content: bytearray, rng: np.random.Generator) -> bytearray:
    a, b, c = sorted(int(cut) for cut in rng.integers(len(content), size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def set_a_field(content: bytearray, rng: np.random.Generator, head: int = 400) -> bytearray:
    """An extreme number in one of the first or last bytes, where headers and indexes are."""
    size = int(rng.choice([1, 2, 4]))
    offset = int(rng.integers(max(1, min(head, len(content) - size))))
    if rng.random() < 0.4:
        offset = max(0, len(content) - size - offset)
    value = int(rng.choice(EXTREMES)) & (1 << 8 * size) - 1
    content[offset : offset + size] = value.to_bytes(size, "big" if rng.random() < 0.5 else "little")
    return content


BREAKERS: tuple[Breaker, ...] = (
    flip_bits, flip_bits_of_the_header, flip_bits_of_the_end, truncate, insert_garbage, overwrite_with_garbage,
    leave_out, repeat, swap, set_a_field, set_a_field,
)  # fmt: skip


def whole_files() -> list[bytes]:
    files = []
    for kind, encode in EVERY_KIND.items():
        for seconds, channels, sample_rate in FORMS:
            rate = sample_rate_of(kind) if sample_rate is None or kind == "opus" else sample_rate
            files.append(encode(music(seconds, rate, channels), rate))
    return files


def broken(files: list[bytes], seed: int) -> bytes:
    """File number ``seed``, counted around, with one to three things wrong with it."""
    rng = np.random.default_rng(seed)
    content = bytearray(files[seed % len(files)])
    for _ in range(int(rng.integers(1, 4))):
        breaker = BREAKERS[int(rng.integers(len(BREAKERS)))]
        content = breaker(content, rng) or content
    return sealed(bytes(content)) if rng.random() < 0.7 else bytes(content)


def sealed(content: bytes) -> bytes:
    """Every page of an Ogg file with a checksum that is right again, or ffmpeg would drop it undecoded."""
    if content[:4] != b"OggS":
        return content
    file = io.BytesIO()
    pages = SteadySerial(WatchedFile(file))
    pages.write(content)
    return file.getvalue() or content


def check(content: bytes) -> bool:
    """Whether it decodes. Anything but sound samples or an ``AudioError`` is an exception of another kind."""
    try:
        info = probe(io.BytesIO(content), None, LONGEST_SECONDS)
        frames = 0
        for block in decode(io.BytesIO(content), LONGEST_SECONDS):
            assert block.dtype == np.float32, block.dtype
            assert block.ndim == 2 and block.shape[0] == info.channels and block.shape[1] > 0, block.shape
            assert np.isfinite(block).all()
            frames += block.shape[1]
        assert 0 < frames <= LONGEST_SECONDS * info.sample_rate, frames
    except AudioError as error:
        assert error.detail.startswith("the file: "), error.detail
        return False
    return True


def main(first: int, last: int) -> None:
    """Check the seeds from ``first`` to before ``last``; a line with each, before it is tried."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    files = whole_files()
    decoded = 0
    for seed in range(first, last):
        print("seed", seed, flush=True)
        started = time.process_time()
        decoded += check(broken(files, seed))
        seconds = time.process_time() - started
        assert seconds < MOST_SECONDS_EACH, f"{seconds} seconds"
    print("decoded", decoded, "in at most", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


@pytest.mark.parametrize("part", range(PROCESSES))
def test_a_broken_file_decodes_or_raises_an_audio_error(part: int) -> None:
    seeds = (SEEDS * part // PROCESSES, SEEDS * (part + 1) // PROCESSES)
    command = [sys.executable, "-m", "tests.unit.test_decode_fuzz", *map(str, seeds)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, f"{lines[-1:]} ended with {result.returncode}:\n{result.stderr}"
    assert lines[-2] == f"seed {seeds[1] - 1}"
    # were every file refused, or none, the breakers would be too coarse or too kind to say anything
    assert 0.05 < int(lines[-1].split()[1]) / (seeds[1] - seeds[0]) < 0.6


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
