"""What one job uses: of processors, of a GPU, of storage, of the network."""

from __future__ import annotations

from dataclasses import dataclass

from core.audio.wav import wav_size_bytes
from core.engines.catalogue import MUSICGEN, SYNTH
from core.ports import ModelInfo
from infra.costs.measured import STEMS, Measured
from infra.costs.operations import Operations, read, removed, staged, written
from infra.costs.parameters import Assumptions
from infra.costs.rows import rows_of_a_life

SONG_SECONDS = 210.0
PIECE_SECONDS = 30.0
_SONG_RATE = 44100
_SONG_CHANNELS = 2
_FLOAT_BYTES = 4
_GPU_CORES = 8  # of the smaller profile, Consumption-GPU-NC8as-T4


@dataclass(frozen=True)
class GpuService:
    """How long a job keeps a GPU replica.

    Attributes:
        alone_seconds: with nothing beside it.
        serial_share: of that time, what a further job beside it adds: 1 if they gain nothing from each other.
    """

    alone_seconds: float
    serial_share: float

    def share_seconds(self, jobs: int) -> float:
        """The replica's time for each of so many jobs that run together."""
        return self.alone_seconds * (1 + (jobs - 1) * self.serial_share) / jobs


@dataclass(frozen=True)
class Usage:
    """What one job uses.

    Attributes:
        engine: its name; ``card`` is ``t4``, ``a100`` or ``None``.
        audio_seconds: of music taken apart or made; each of the stems is as long.
        cpu_seconds: of a core of the HTTP role, where ``gpu`` is ``None`` the work itself among them.
        executions: of functions of the HTTP role.
        rows: written into the table of jobs.
        result_bytes: what is kept until it expires, and sent to the client.
        written_bytes: into storage, by whomever.
        read_bytes: out of storage, by the app itself.
    """

    engine: str
    card: str | None
    audio_seconds: float
    cpu_seconds: float
    executions: float
    gpu: GpuService | None
    operations: Operations
    rows: float
    result_bytes: float
    written_bytes: float
    read_bytes: float

    @property
    def logged(self) -> float:
        """Executions of both roles."""
        return self.executions + (self.gpu is not None)

    @property
    def label(self) -> str:
        """The engine, and the card if there is one."""
        return f"{self.engine}, {self.card.upper()}" if self.card else self.engine


def all_jobs(measured: Measured, assumed: Assumptions) -> list[Usage]:
    """Each engine on what it runs on: songs of ``SONG_SECONDS``, pieces of ``PIECE_SECONDS`` in ``STEMS`` stems."""
    cards = ("t4", "a100")
    return [
        separation(measured, assumed),
        *(separation(measured, assumed, card) for card in cards),
        generation(measured, assumed),
        *(generation(measured, assumed, card) for card in cards),
    ]


def separation(measured: Measured, assumed: Assumptions, card: str | None = None) -> Usage:
    """A song by ``spectral``, or by ``demucs`` on a card."""
    files = SONG_SECONDS * (2 / measured.decode_speed + STEMS * measured.stem_file_cpu_seconds)
    gpu_seconds = SONG_SECONDS / measured.demucs_speed / assumed[f"{card}_speedup"] if card else 0.0
    gpu = _overlapping(gpu_seconds, files) if card else None
    own_seconds = gpu.alone_seconds if gpu else SONG_SECONDS / measured.spectral_speed + files
    return _usage(
        measured, assumed, "demucs" if card else "spectral", card, SONG_SECONDS,
        cpu_seconds=0.0 if card else own_seconds, gpu=gpu, busy_seconds=own_seconds,
        blobs=separation_blobs(assumed, SONG_SECONDS) + removed(2 * STEMS + 1),
        result_bytes=STEMS * wav_size_bytes(round(SONG_SECONDS * _SONG_RATE), _SONG_CHANNELS),
        stored_bytes=_song_bytes(assumed, SONG_SECONDS) + _part_bytes(SONG_SECONDS),
        read_bytes=_song_bytes(assumed, SONG_SECONDS) * 2 + _part_bytes(SONG_SECONDS),
    )  # fmt: skip


def generation(measured: Measured, assumed: Assumptions, card: str | None = None) -> Usage:
    """A piece by ``synth``, or by ``musicgen`` on a card."""
    model = MUSICGEN.default if card else SYNTH.default
    stem_bytes = wav_size_bytes(round(PIECE_SECONDS * _rate(model)), model.channels)
    gpu = None
    own_seconds = STEMS * PIECE_SECONDS / measured.synth_speed
    if card:
        own_seconds = PIECE_SECONDS * measured.musicgen_cpu_seconds / assumed[f"{card}_speedup"]
        gpu = GpuService(own_seconds, assumed["batching_cost"])
    writes = Operations(blob_write=measured.blob_operations) * written(stem_bytes).blob_write
    return _usage(
        measured, assumed, "musicgen" if card else "synth", card, PIECE_SECONDS,
        cpu_seconds=0.0 if card else own_seconds, gpu=gpu, busy_seconds=own_seconds,
        blobs=writes + removed(STEMS), result_bytes=STEMS * stem_bytes,
    )  # fmt: skip


def _usage(
    measured: Measured, assumed: Assumptions, engine: str, card: str | None, audio_seconds: float, *,
    cpu_seconds: float, gpu: GpuService | None, busy_seconds: float, blobs: Operations, result_bytes: float,
    stored_bytes: float = 0.0, read_bytes: float = 0.0,
) -> Usage:  # fmt: skip
    """Add what all jobs have in common: their rows and messages, and one write of progress a second."""
    reads = assumed["client_reads"]
    rows = Operations(table=measured.table_operations, queue=measured.queue_operations)
    beside = Operations(table=busy_seconds + reads + 2, blob_read=assumed["downloads"] * STEMS)  # 2: as files expire
    return Usage(
        engine=engine,
        card=card,
        audio_seconds=audio_seconds,
        cpu_seconds=measured.overhead_cpu_seconds * (1 + reads / 3) + cpu_seconds,
        executions=2 + reads + (card is None),  # the POST and the callback, and the work where it is done here
        gpu=gpu,
        operations=rows + beside + blobs,
        rows=rows_of_a_life() + busy_seconds,
        result_bytes=result_bytes,
        written_bytes=stored_bytes + result_bytes,
        read_bytes=read_bytes,
    )


def separation_blobs(assumed: Assumptions, seconds: float) -> Operations:
    """The way of a song until its stems are there (09-separation.md): it comes in and is read twice, its parts are
    written and read, stems go out with their outlines, and song and parts are removed.

    A song of 60 s, counted through ``bench/counting_proxy.py``, took as many: ``test_a_separation_was_counted``.
    """
    song_bytes = _song_bytes(assumed, seconds)
    full, rest_seconds = divmod(seconds, assumed["part_seconds"])
    parts = full + (rest_seconds > 0)
    stem_bytes = wav_size_bytes(round(seconds * _SONG_RATE), _SONG_CHANNELS)
    return (
        written(song_bytes)
        + read(song_bytes) * 2
        + _part(assumed["part_seconds"]) * full
        + _part(rest_seconds)
        + (staged(stem_bytes) + Operations(blob_write=1)) * STEMS
        + removed(parts + 1)  # and their plan
        + removed(1)
        + Operations(blob_write=5, blob_read=4)  # plan and report, three lists of parts; a look for both, and the song
    )


def _song_bytes(assumed: Assumptions, seconds: float) -> float:
    return seconds * assumed["song_kbit_per_second"] * 1000 / 8


def _part_bytes(seconds: float) -> int:
    """A piece of all stems in float32."""
    return round(seconds * _SONG_RATE) * _SONG_CHANNELS * STEMS * _FLOAT_BYTES


def _part(seconds: float) -> Operations:
    """A piece of all stems, stored and fetched again."""
    size_bytes = _part_bytes(seconds)
    return written(size_bytes) + read(size_bytes) if size_bytes else Operations()


def _overlapping(gpu_seconds: float, cpu_seconds: float) -> GpuService:
    """A job whose work on a core and on the card follow one another; beside others, the scarcer of the two counts."""
    alone = gpu_seconds + cpu_seconds
    return GpuService(alone, max(gpu_seconds, cpu_seconds / _GPU_CORES) / alone)


def _rate(model: ModelInfo) -> int:
    assert model.sample_rate is not None  # both engines that generate have one
    return model.sample_rate
