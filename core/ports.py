"""What the services need from the outside: engines and storage, as protocols.

Adapters in ``core.storage`` and ``core.engines`` implement these; services see nothing else of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # numpy is not worth its import time in a process that only answers HTTP
    import numpy as np
    from numpy.typing import NDArray

    from core.theory.techniques import Articulation

    Block = NDArray[np.float32]
    """A piece of audio: float32, shape ``[C, T]``, full scale ±1."""

    StemBlock = NDArray[np.float32]
    """The same piece of every source: float32, shape ``[S, C, T]``."""

Clock = Callable[[], datetime]
"""The time now, in UTC and aware of it. Passed in, so that tests set it."""


# Engines


@dataclass(frozen=True)
class ModelInfo:
    """What a client and the licence check must know of a model before it is loaded.

    Attributes:
        loader: the library that loads it.
        sample_rate: Hz; ``None`` if it works at whatever rate its input has.
        longest_seconds: the most it makes or takes; ``None`` if it sets no limit of its own.
        stems: what it can make or tell apart.
        options: the names of the parameters that it understands, beyond those that every engine of its task does.
        memory_bytes: about what it holds once it is loaded, in float32.
        weights: the name under which they are published; ``None`` if there are none, or they are the operator's own.
        weights_licence: ``None`` if there are none.
        seconds_per_audio_second: the rough cost of one stem made, or one mixture separated, for the estimate shown.
        steps: of a diffusion, unless a request asks for others, which takes a stem of any length through them.
        seconds_per_step: the rough cost of each for one stem.
    """

    name: str
    loader: str
    sample_rate: int | None
    channels: int
    longest_seconds: float | None
    stems: tuple[str, ...]
    commercial_use: bool
    options: tuple[str, ...] = ()
    memory_bytes: int = 0
    weights: str | None = None
    weights_licence: str | None = None
    seconds_per_audio_second: float = 0.0
    steps: int = 0
    seconds_per_step: float = 0.0


Task = Literal["generation", "separation", "sound", "effects", "analysis", "bridge"]
"""What an engine can be asked to do: make stems, take songs apart, play single notes, change how a file sounds, say
what is heard in it, make a third track out of two."""


@dataclass(frozen=True)
class EngineInfo:
    """What a client and the queue must know of an engine before it is loaded.

    Attributes:
        licence: of its code.
        models: the models that it knows by name; the first is the default.
    """

    name: str
    version: str
    tasks: tuple[Task, ...]
    hardware: Literal["cpu", "gpu"]
    licence: str
    models: tuple[ModelInfo, ...]

    @property
    def default(self) -> ModelInfo:
        """The model of a request that names none."""
        return self.models[0]

    @property
    def takes_own_weights(self) -> bool:
        """Whether an operator may add models: an engine that has no weights at all takes none."""
        return self.default.weights_licence is not None

    def model(self, name: str | None) -> ModelInfo:
        """The model of this name; of an operator's own, nothing is known, and so it is not for commercial use."""
        for model in self.models:
            if name in (None, model.name):
                return model
        return replace(
            self.default, name=name or "", weights=None, weights_licence="unknown", commercial_use=False, stems=()
        )


@dataclass(frozen=True)
class Recording:
    """Audio that a request brings along: float32 ``[C, T]``, full scale ±1, at ``sample_rate`` Hz."""

    samples: Block
    sample_rate: int


@dataclass(frozen=True)
class Timeline:
    """When the beats of a stem fall, and what sounds on them: for stems that go with something else.

    Attributes:
        beats: seconds from the start of the stem, ascending, at least two. Before the first and after the last the
            tempo goes on as it is there.
        first_position: of the first beat in its bar, from 1 to ``beats_per_bar``.
        beats_per_bar: 2 to 7.
        chords: ascending, each the place of its first beat, whole or not, counted from 0 for the first of ``beats``,
            and a symbol, or ``None`` where there is no chord and only drums play. The first holds from the very start.
    """

    beats: tuple[float, ...]
    first_position: int
    beats_per_bar: int
    chords: tuple[tuple[float, str | None], ...]


@dataclass(frozen=True)
class StemRequest:
    """One stem to generate. An engine passes over what its model's ``options`` do not name.

    Attributes:
        stem_type: ``drums``, ``bass``, ``guitar``, ``vocals``, ``piano``, ``synth`` or ``other``.
        duration_seconds: 0.5 to 600.
        tempo_bpm: quarter notes a minute, 30 to 300.
        style: ``rock``, ``pop``, ``jazz``, ``electronic``, ``ballad``; any other text is allowed.
        chords: symbols that ``core.theory.chords.parse_chord`` accepts, one a bar of 4/4, repeated to the end.
        description: the text condition, for engines that take one.
        temperature: 0 to 2; how far a take strays from the plain pattern.
        seed: the same request and seed give the same samples.
        negative_description: what it should not sound like.
        guidance_scale: 1 to 20, how closely to follow the description; 1 is no guidance, ``None`` the model's default.
        top_k: only the most likely tokens are drawn from, so many of them; 0 for all, ``None`` the default.
        top_p: only the most likely tokens are drawn from that come to this probability; 0 for ``top_k`` to decide.
        steps: of the diffusion, 10 to 500; ``None`` for the default.
        audio_prompt: what the stem goes on from; it is not part of the stem.
        melody: what the stem's melody follows.
        timeline: when the beats fall and the chords change, in place of ``tempo_bpm`` and ``chords``, for engines that
            keep time; the others are told the mean tempo.
    """

    stem_type: str
    duration_seconds: float
    tempo_bpm: float
    style: str
    chords: tuple[str, ...]
    description: str
    temperature: float
    seed: int
    negative_description: str = ""
    guidance_scale: float | None = None
    top_k: int | None = None
    top_p: float = 0.0
    steps: int | None = None
    audio_prompt: Recording | None = None
    melody: Recording | None = None
    timeline: Timeline | None = None


@dataclass(frozen=True)
class Piece:
    """The next samples ``[C, T]`` of one of the stems that were asked for, by its place among the requests."""

    stem: int
    block: Block


class Renderer(Protocol):
    """A model that is loaded, and makes stems out of nothing but requests.

    Attributes:
        sample_rate: Hz, of its blocks.
        channels: 1 or 2.
        weights: SHA-256 of the weights in hexadecimal; ``None`` if it has none.
        compute: in what and on what it computes, such as ``float16 on cuda``; ``None`` without weights.
        follows_melody: whether it makes use of a melody.
    """

    sample_rate: int
    channels: int
    weights: str | None
    compute: str | None
    follows_melody: bool

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        """Yield each stem's blocks in order, ``round(duration_seconds * sample_rate)`` frames in all.

        Stems may come one after the other or side by side, each piece as soon as it is made. ``step`` is told often
        which share of the work is done, 0 to 1; what it raises ends the run, and closing the iterator does. A stem's
        samples do not depend on the others that it is made with. Raises ``EngineFailed``.
        """
        ...


class GenerationEngine(Protocol):
    """Makes stems."""

    info: EngineInfo

    def load(self, model: str | None, wait: Callable[[], None]) -> AbstractContextManager[Renderer]:
        """The model of this name, ``None`` for the default: loaded at its first use, kept warm, held while in use.

        ``wait`` is called now and then while others' models leave no room for it; what it raises ends the wait.
        Raises ``EngineUnavailable``, ``ModelNotFound`` or ``ChecksumMismatch``.
        """
        ...

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        ...


@dataclass(frozen=True)
class SeparationSettings:
    """How a mixture is to be separated; an engine passes over what means nothing to it.

    Attributes:
        model: the engine's own name of a model; ``None`` for its default.
        sources: the sources that are wanted, so that the engine may leave out the work for others; ``None`` for all.
        shifts: how many randomly shifted passes are averaged, 0 to 10; 0 is one pass without a shift.
        overlap: the fraction of a segment that the next one repeats, 0 to 0.5.
        seed: draws the shifts.
    """

    model: str | None = None
    sources: tuple[str, ...] | None = None
    shifts: int = 0
    overlap: float = 0.25
    seed: int = 0


class Mixture(Protocol):
    """What is to be separated, readable as often as need be; its whole length was decoded and measured once."""

    @property
    def sample_rate(self) -> int:
        """Hz, 8,000 to 192,000."""
        ...

    @property
    def channels(self) -> int:
        """1 or 2."""
        ...

    @property
    def frames(self) -> int:
        """Its exact length, at least 1."""
        ...

    @property
    def mean(self) -> float:
        """Of its downmix, the mean over the channels."""
        ...

    @property
    def standard_deviation(self) -> float:
        """Of its downmix, with Bessel's correction; 0 for silence."""
        ...

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        """Yield the samples from ``start_frame`` to the end, in blocks of any length; close it to stop early."""
        ...


class Separator(Protocol):
    """A model that is loaded and set up.

    Attributes:
        sources: what axis 0 of its blocks holds, in order.
        complete: whether the model means these to add up to the mixture; false if some were left out.
        weights: SHA-256 of the weights in hexadecimal; ``None`` if it has none.
    """

    sources: tuple[str, ...]
    complete: bool
    weights: str | None

    def steps(self, mixture: Mixture, start_frame: int = 0) -> int:
        """How often ``separate`` will call ``step`` from there: segments × shifts × models."""
        ...

    def separate(self, mixture: Mixture, start_frame: int, step: Callable[[], None]) -> Iterator[StemBlock]:
        """Yield every source from ``start_frame`` to the end, ``[S, C, T]`` at the mixture's rate and channels.

        The samples are those of a run from the start, to within float32's rounding. ``step`` is called after every
        segment, shift and model; what it raises ends the run. Memory does not grow with the mixture's length.
        Raises ``EngineFailed``.
        """
        ...


class SeparationEngine(Protocol):
    """Takes mixtures apart."""

    info: EngineInfo

    def load(self, settings: SeparationSettings, wait: Callable[[], None]) -> AbstractContextManager[Separator]:
        """The model that ``settings`` name, set up for them; loaded, kept and waited for as ``GenerationEngine.load``.

        Raises ``EngineUnavailable``, ``ModelNotFound`` or ``ChecksumMismatch``.
        """
        ...

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        ...


@dataclass(frozen=True)
class NoteRequest:
    """One note of a fretted instrument.

    Attributes:
        instrument: a name in ``core.theory.fretboard.INSTRUMENTS``.
        string: 1 for the last of the tuning as it is written.
        open_pitch: the MIDI number that the open string is tuned to.
        velocity: 0 to 1: how hard it is plucked.
        techniques: names in ``core.theory.techniques.TECHNIQUES`` that do not contradict each other.
        articulation: their details, settled.
        duration_seconds: 0.1 to 30.
        style: what it should sound like, in words; may be empty.
        seed: the same request and seed give the same samples.
    """

    instrument: str
    string: int
    fret: int
    open_pitch: int
    velocity: float
    techniques: tuple[str, ...]
    articulation: Articulation
    duration_seconds: float
    style: str
    seed: int

    @property
    def sounding_hz(self) -> float | None:
        """The frequency that the note comes to rest at; ``None`` if it has none."""
        from core.theory.techniques import sounding_hz

        return sounding_hz(self.open_pitch, self.fret, self.techniques, self.articulation.bend_semitones or 0.0)


@dataclass(frozen=True)
class Take:
    """A note that was played.

    Attributes:
        note: its place among the requests.
        samples: float32 ``[C, T]`` within ±1, ``round(duration_seconds * sample_rate)`` frames; how loud they are
            follows the velocity.
        tries: how often it was played until the pitch was right.
        correction_cents: by how much the pitch was corrected; 0 for an engine that plays right by itself.
    """

    note: int
    samples: Block
    tries: int = 1
    correction_cents: float = 0.0


class NoteRenderer(Protocol):
    """An engine that is loaded, and plays notes.

    Attributes:
        sample_rate: Hz, of its takes.
        channels: 1 or 2.
        weights: SHA-256 of the weights in hexadecimal; ``None`` if it has none.
        compute: in what and on what it computes, such as ``float16 on cuda``; ``None`` without weights.
    """

    sample_rate: int
    channels: int
    weights: str | None
    compute: str | None

    def render(self, notes: Sequence[NoteRequest], step: Callable[[float], None]) -> Iterator[Take]:
        """Yield each note once, in any order, as soon as it is played; it does not depend on the others.

        ``step`` is told often which share of the work is done, 0 to 1; what it raises ends the run. Raises
        ``EngineFailed``.
        """
        ...


class NoteEngine(Protocol):
    """Plays single notes."""

    info: EngineInfo

    def load(self, model: str | None, wait: Callable[[], None]) -> AbstractContextManager[NoteRenderer]:
        """The model of this name, ``None`` for the default; loaded, kept and waited for as ``GenerationEngine.load``.

        Raises ``EngineUnavailable``, ``ModelNotFound`` or ``ChecksumMismatch``.
        """
        ...

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        ...


@dataclass(frozen=True)
class Track:
    """One of the two tracks of a bridge, from where it begins to where it ends.

    Attributes:
        blocks: its samples ``[C, T]`` from its first, in blocks of any length; may be called as often as need be, and
            the iterator closed early.
        beats: seconds from its first sample, ascending; empty if none were heard.
    """

    blocks: Callable[[], Iterator[Block]]
    beats: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two tracks, and what is wanted between them.

    Attributes:
        sample_rate: Hz, of both: the bridger's own, if it has one.
        channels: 1 or 2, of both.
        frames: of each, at least 1.
        ratios: 0 is track 1, 1 is track 2; at least one, none twice, in any order.
        crossfade_seconds: how long two segments sound together, for bridgers that work in segments.
    """

    track1: Track
    track2: Track
    sample_rate: int
    channels: int
    frames: int
    ratios: tuple[float, ...]
    crossfade_seconds: float


class Bridger(Protocol):
    """A model that is loaded, and makes a third track out of two.

    Attributes:
        sample_rate: Hz, of what it takes and makes; ``None`` if it works at any.
        weights: SHA-256 of the weights in hexadecimal; ``None`` if it has none.
        compute: in what and on what it computes, such as ``float16 on cuda``; ``None`` without weights.
        segment_seconds: the length of the segments that it makes one by one; ``None`` if it makes the whole in one go.
    """

    sample_rate: int | None
    weights: str | None
    compute: str | None
    segment_seconds: float | None

    def bridge(self, pair: Pair, step: Callable[[float], None]) -> Iterator[StemBlock]:
        """Yield the new tracks side by side, one for each ratio, in blocks ``[R, C, T]``: ``pair.frames`` in all.

        Samples are float32 around full scale ±1 and may exceed it. ``step`` is told often which share of the work is
        done, 0 to 1; what it raises ends the run, and closing the iterator does. A track does not depend on the ratios
        that it is made with, nor on how its blocks are cut. Memory does not grow with the length. Raises
        ``EngineFailed``, or what reading the tracks raises.
        """
        ...


class BridgeEngine(Protocol):
    """Makes a third track out of two."""

    info: EngineInfo

    def load(self, model: str | None, wait: Callable[[], None]) -> AbstractContextManager[Bridger]:
        """The model of this name, ``None`` for the default; loaded, kept and waited for as ``GenerationEngine.load``.

        Raises ``EngineUnavailable``, ``ModelNotFound``, ``ChecksumMismatch`` or ``WeightsMismatch``.
        """
        ...

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        ...


class Engines(Protocol):
    """The engines that this installation knows."""

    def catalogue(self) -> list[EngineInfo]:
        """Every engine, whether it is loaded or not."""
        ...

    def loaded(self) -> dict[str, dict[str, str | None]]:
        """The models that this process keeps warm, by engine, each with the SHA-256 of its weights."""
        ...

    def gpu_available(self) -> bool:
        """Whether this process could use a GPU."""
        ...

    def generation(self, name: str) -> GenerationEngine:
        """The engine of this name, loaded on its first use and kept. Raises ``EngineUnavailable``."""
        ...

    def separation(self, name: str) -> SeparationEngine:
        """The engine of this name, loaded on its first use and kept. Raises ``EngineUnavailable``."""
        ...

    def notes(self, name: str) -> NoteEngine:
        """The engine of this name, loaded on its first use and kept. Raises ``EngineUnavailable``."""
        ...

    def bridge(self, name: str) -> BridgeEngine:
        """The engine of this name, loaded on its first use and kept. Raises ``EngineUnavailable``."""
        ...


# Storage


@dataclass(frozen=True)
class Row:
    """A row of a table: a JSON document under a key, with the version it was read at."""

    key: str
    document: str
    etag: str


@dataclass(frozen=True)
class Insert:
    """Write a row that must not exist yet."""

    key: str
    document: str


@dataclass(frozen=True)
class Replace:
    """Write a row that must still have this ``etag``; without one, whatever is there."""

    key: str
    document: str
    etag: str | None = None


@dataclass(frozen=True)
class Remove:
    """Delete a row that must still have this ``etag``; without one, whatever is there."""

    key: str
    etag: str | None = None


Change = Insert | Replace | Remove


class Table(Protocol):
    """Rows in partitions, ordered by key."""

    def get(self, partition: str, key: str) -> Row:
        """Read one row. Raises ``RowNotFound``."""
        ...

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        """Make all changes (at most 100) or none, in one transaction; returns each one's new etag.

        Raises ``RowExists`` (an insert), ``RowChanged`` (an etag that is no longer right) or ``RowNotFound`` (a replace
        or removal of a row that is gone). A removal's etag is the empty string.
        """
        ...

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        """The first ``limit`` (at most 1,000) rows with ``start <= key < stop``, in the order of their keys."""
        ...


class Queues(Protocol):
    """Work queues: each message is delivered at least once, in no certain order."""

    def send(self, queue: str, body: str, delay_seconds: float = 0) -> None:
        """Put a message that becomes visible after ``delay_seconds`` (at most seven days)."""
        ...

    def count(self, queue: str) -> int:
        """About how many messages there are, the invisible ones included; 0 for a queue that does not exist."""
        ...


@dataclass(frozen=True)
class BlobProperties:
    """What is known of a blob without reading it."""

    name: str
    size_bytes: int
    metadata: dict[str, str]
    etag: str


@dataclass(frozen=True)
class StagedBlock:
    """A part of a blob that was uploaded and not committed yet."""

    block_id: str
    size_bytes: int


class Blobs(Protocol):
    """Files in containers."""

    def write(
        self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int,
        content_type: str, metadata: dict[str, str],
    ) -> None:  # fmt: skip
        """Write a blob over whatever is there; it appears whole or not at all.

        ``chunks`` starts the content from its beginning each time it is called; ``size_bytes`` is its exact size.
        """
        ...

    def read(self, container: str, name: str) -> Iterator[bytes]:
        """Yield the blob in pieces of at most 4 MiB. Raises ``BlobNotFound`` before the first."""
        ...

    def read_range(self, container: str, name: str, offset: int, size_bytes: int, etag: str) -> bytes:
        """The bytes from ``offset`` on, ``size_bytes`` of them or as many as there are; of this very version.

        Raises ``BlobNotFound``, or ``BlobChanged`` if the blob no longer has this ``etag``.
        """
        ...

    def properties(self, container: str, name: str) -> BlobProperties | None:
        """Size, metadata and version, or ``None`` if there is no such blob."""
        ...

    def list_all(self, container: str, prefix: str) -> list[BlobProperties]:
        """Every blob whose name starts with ``prefix``, by name; none if there is no such container."""
        ...

    def set_metadata(self, container: str, name: str, metadata: dict[str, str], etag: str) -> None:
        """Replace the metadata of this very version. Raises ``BlobNotFound`` or ``BlobChanged``."""
        ...

    def stage(self, container: str, name: str, block_id: str, content: bytes) -> None:
        """Upload a part of a blob, at most 100 MiB; nobody sees it until ``commit``. Repeating it replaces it."""
        ...

    def staged(self, container: str, name: str) -> list[StagedBlock]:
        """The parts that were staged and not committed, by anybody."""
        ...

    def commit(
        self, container: str, name: str, block_ids: list[str], *, content_type: str, metadata: dict[str, str]
    ) -> None:
        """Make the blob out of staged parts, in this order, over whatever is there; other parts are dropped.

        Raises ``WorkLost`` if one of the parts is not there: somebody else has committed the blob meanwhile.
        """
        ...

    def remove_all(self, container: str, prefix: str) -> int:
        """Delete every blob whose name starts with ``prefix``; returns how many there were."""
        ...

    def url(self, container: str, name: str) -> str:
        """The blob's address, without any right to read it."""
        ...

    def signed_url(self, container: str, name: str, *, expires_at: datetime, filename: str) -> str:
        """An address that anybody may read until ``expires_at``, saved by a browser as ``filename``."""
        ...

    def signed_upload_url(self, container: str, name: str, *, expires_at: datetime) -> str:
        """An address that anybody may write to, whole or in blocks, until ``expires_at``, and do nothing else."""
        ...


# WebSockets


class Channel(Protocol):
    """WebSockets that a service in front of this one holds, since a Functions host carries none.

    Attributes:
        hub: the name under which the service keeps our clients apart from those of others.
    """

    hub: str

    def send_to_connection(self, connection_id: str, message: dict[str, Any]) -> None:
        """Send one client a JSON message; one that has gone is passed over. Raises ``ChannelUnavailable``."""
        ...

    def send_to_group(self, group: str, message: dict[str, Any]) -> None:
        """Send every client in the group a JSON message; nobody need be there. Raises ``ChannelUnavailable``."""
        ...

    def client_url(self, groups: Sequence[str], *, user_id: str, minutes: int) -> str:
        """An address that a client may open a WebSocket at for so long, and is then in these groups.

        It may send events, and neither join other groups nor send to any. Raises ``ChannelUnavailable``.
        """
        ...
