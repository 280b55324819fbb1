"""How soon live chords come back over ``/ws``, and how many connections one core carries."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from dataclasses import dataclass, field

import numpy as np
import soxr
from websockets.asyncio.client import ClientConnection, connect

from bench.processes import cpu_seconds
from bench.report import Goal, Section, Table
from functions.http.live import MOST_CONNECTIONS
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage
from tests.music import SAMPLE_RATE, Music, guitar

STREAM_RATE = 16000
CHUNK_SECONDS = 0.1
SECONDS = 24.0
CROWD = MOST_CONNECTIONS
LONGEST_WAIT_SECONDS = 1.0
_START = {"type": "start", "format": "pcm", "sample_rate": STREAM_RATE, "channels": 1}
_QUIET = {f"AzureWebJobs.{name}.Disabled": "true" for name in ("recover_jobs", "expire_files", "inbox")}


@dataclass
class Heard:
    """What one connection was told, in seconds.

    Attributes:
        acks: from sending a chunk to its acknowledgement.
        chords: of each chord that was named, how long after it began to sound in the stream.
        names: of the chords.
    """

    acks: list[float] = field(default_factory=list)
    chords: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def measure() -> Section:
    """Play a guitar in real time to one connection, and then to a crowd."""
    music = guitar(("C", "G", "Am", "F", "D", "Em"), 100, bars=round(SECONDS * 100 / 240))
    with Azurite() as azurite:
        prepare_storage(azurite.connection_string)
        with HostProcess(azurite.connection_string, settings=_QUIET) as host:
            address = host.base_url.replace("http://", "ws://") + "/ws"
            asyncio.run(_crowd(address, music, 1))  # what is loaded at the first chord
            alone, _ = _measured(address, music, 1, host.pid)
            crowd, cores = _measured(address, music, CROWD, host.pid)
    return _section(alone, crowd, CROWD / cores)


def _measured(address: str, music: Music, connections: int, pid: int) -> tuple[Heard, float]:
    """What they heard, and how many cores the host took."""
    before, started = cpu_seconds(pid), time.monotonic()
    heard = asyncio.run(_crowd(address, music, connections))
    return heard, (cpu_seconds(pid) - before) / (time.monotonic() - started)


async def _crowd(address: str, music: Music, connections: int) -> Heard:
    everybody = await asyncio.gather(*(_played(address, music) for _ in range(connections)))
    return Heard(
        list(itertools.chain.from_iterable(one.acks for one in everybody)),
        list(itertools.chain.from_iterable(one.chords for one in everybody)),
    )


async def _played(address: str, music: Music) -> Heard:
    """Send the music as fast as it sounds, and listen to the end."""
    heard = Heard()
    sent: list[float] = []
    async with connect(address) as socket:
        await socket.send(json.dumps(_START))
        started = time.monotonic()
        listening = asyncio.create_task(_listened(socket, heard, sent, started))
        for index, chunk in enumerate(_chunks(music)):
            await asyncio.sleep(max(started + (index + 1) * CHUNK_SECONDS - time.monotonic(), 0))
            sent.append(time.monotonic())
            await socket.send(json.dumps({"data": base64.b64encode(chunk).decode()}))
        async with asyncio.timeout(10):
            while len(heard.acks) < len(sent):
                await asyncio.sleep(0.01)
        listening.cancel()
    if heard.names != [symbol for _, _, symbol in music.chords]:
        raise RuntimeError(f"another music was heard than was played: {heard.names}")
    return heard


async def _listened(socket: ClientConnection, heard: Heard, sent: list[float], started: float) -> None:
    async for text in socket:
        message, now = json.loads(text), time.monotonic()
        if message.get("ack"):
            heard.acks.append(now - sent[len(heard.acks)])
        for begins in message.get("times", []):
            heard.chords.append(now - started - begins)
        heard.names += message.get("chords", [])


def _chunks(music: Music) -> list[bytes]:
    mono = soxr.resample(music.samples.mean(axis=0), SAMPLE_RATE, STREAM_RATE)
    pcm = (np.clip(mono, -1, 1) * 32767).astype("<i2")
    frames = round(CHUNK_SECONDS * STREAM_RATE)
    return [pcm[start : start + frames].tobytes() for start in range(0, len(pcm), frames)]


def _section(alone: Heard, crowd: Heard, carried: float) -> Section:
    rows = [
        [name, f"{np.median(values):.3f}", f"{np.percentile(values, 95):.3f}", f"{max(values):.3f}"]
        for name, values in {
            "an acknowledgement, one connection": alone.acks,
            f"an acknowledgement, {CROWD} connections": crowd.acks,
            "a chord after it began, one connection": alone.chords,
            f"a chord after it began, {CROWD} connections": crowd.chords,
        }.items()
    ]
    return Section(
        "Live chords over /ws",
        f"A clean guitar, {SECONDS:g} s, streamed as it sounds: 16-bit PCM at {STREAM_RATE} Hz in chunks of "
        f"{CHUNK_SECONDS:g} s as base64 in JSON. The time until a chord is named holds the chunk's own length. Host, "
        "storage and clients share the cores of one machine.",
        [Table(("seconds until", "median", "95th percentile", "longest"), rows)],
        [
            Goal(f"a chord is named within a second of its beginning, at the 95th percentile, connections: {count}",
                 float(np.percentile(heard.chords, 95)), LONGEST_WAIT_SECONDS)
            for count, heard in ((1, alone), (CROWD, crowd))
        ],
        notes=[f"One core carries {carried:.0f} connections that stream, by the CPU time of the host with {CROWD}."],
    )  # fmt: skip
