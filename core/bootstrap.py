"""Brings services and adapters together; nothing else in ``core`` knows both sides."""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from core.accompaniment.planner import AccompanimentPlanner
from core.accompaniment.service import Accompaniments
from core.accompaniment.worker import AccompanimentWorker
from core.analysis.planner import AnalysisPlanner
from core.analysis.service import Analyses
from core.analysis.worker import AnalysisWorker
from core.assistant.service import Assistant
from core.assistant.setup import assistant_of
from core.bridge.planner import BridgePlanner
from core.bridge.service import Bridges
from core.bridge.worker import BridgeWorker
from core.effects.planner import EffectsPlanner
from core.effects.service import EffectsService
from core.effects.worker import EffectsWorker
from core.engines.registry import EngineRegistry
from core.errors import StorageError
from core.files.inputs import Inputs
from core.files.sources import Sources, audio_probe
from core.files.uploads import Uploads
from core.generation.planner import GenerationPlanner
from core.generation.service import Generations
from core.generation.worker import GenerationWorker
from core.jobs.dead_letters import DeadLetters
from core.jobs.housekeeping import Housekeeping
from core.jobs.idempotency import Idempotency
from core.jobs.messages import CPU_REQUESTS, QUEUES
from core.jobs.model import AUDIO_FILES, UPLOADS, JobKind
from core.jobs.planning import JobPlanner
from core.jobs.runner import Announcers, JobRunner, Worker
from core.jobs.service import JobService
from core.jobs.store import JobStore
from core.metrics.counters import Counters
from core.metrics.rows import MetricRows
from core.metrics.service import Metrics
from core.ports import Blobs, Channel, Clock, Engines, Queues, Table
from core.questions.service import JobQuestions
from core.separation.inbox import INBOX, Inbox, InboxAnnouncer
from core.separation.planner import SeparationPlanner
from core.separation.service import Separations
from core.separation.worker import SeparationWorker
from core.settings import Settings, settings
from core.soundbank.planner import SoundPlanner
from core.soundbank.sample import SAMPLES
from core.soundbank.service import Sounds
from core.soundbank.store import SoundStore
from core.soundbank.worker import SoundWorker
from core.web_pubsub.address import service_address
from core.web_pubsub.announcer import ChannelAnnouncer
from core.web_pubsub.channel import open_channel
from core.web_pubsub.event_check import open_event_check
from core.web_pubsub.live_events import LiveEvents
from core.web_pubsub.sessions import LiveSessions, live_connection
from core.webhooks.announcer import CallbackAnnouncer
from core.webhooks.delivery import Deliveries
from core.webhooks.sender import Sender

TABLES = ("jobs", "deliveries", "deadletters", "idempotency", "uploads", "sounds", "metrics", "live")
CONTAINERS = (AUDIO_FILES, UPLOADS, INBOX, SAMPLES)


@dataclass(frozen=True)
class Storage:
    """One storage account's tables, queues and blobs, and how to make those that are missing."""

    tables: dict[str, Table]
    queues: Queues
    blobs: Blobs
    ensure: Callable[[], None]


@dataclass(frozen=True)
class Services:
    """Everything a trigger may call."""

    settings: Settings
    storage: Storage
    engines: Engines
    jobs: JobService
    generations: Generations
    separations: Separations
    sounds: Sounds
    effects: EffectsService
    analyses: Analyses
    accompaniments: Accompaniments
    bridges: Bridges
    assistant: Assistant
    questions: JobQuestions
    channel: Channel
    live_events: LiveEvents
    metrics: Metrics
    uploads: Uploads
    inbox: Inbox
    runner: JobRunner
    deliveries: Deliveries
    dead_letters: DeadLetters
    idempotency: Idempotency
    housekeeping: Housekeeping
    new_id: Callable[[], str]
    clock: Clock

    def storage_error(self) -> str | None:
        """Why storage cannot be used, or ``None`` if it answers."""
        try:
            self.storage.queues.count(CPU_REQUESTS)
        except StorageError as error:
            return error.detail
        return None


def draw_seed() -> int:
    """A seed for a request that names none."""
    return secrets.randbits(31)


@cache
def bootstrap() -> Services:
    """The services of this process, made at the first call."""
    return build(settings(), azure_storage(settings()))


def build(
    settings: Settings, storage: Storage, *, clock: Clock = lambda: datetime.now(UTC),
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()), engines: Engines | None = None,
    workers: Mapping[JobKind, Worker] | None = None,
) -> Services:  # fmt: skip
    """Wire the services over ``storage``; what is passed in takes the place of the real thing."""
    engines = engines or EngineRegistry(settings, storage.blobs)
    store = JobStore(storage.tables["jobs"])
    metric_rows = MetricRows(storage.tables["metrics"])
    counters = Counters(metric_rows, new_id(), engines.loaded, clock)
    channel = open_channel(settings)
    announcer = _announcers(settings, storage, counters, channel)
    live_sessions = LiveSessions(storage.tables["live"], live_connection, clock)
    bank = SoundStore(storage.tables["sounds"])
    workers = workers or _workers(settings, storage, engines, store, bank, clock)
    jobs = JobService(store, storage.queues, storage.blobs, announcer, clock, settings)
    runner = JobRunner(
        store, storage.queues, announcer, jobs.remove_files, jobs.remove_inputs, workers, clock, settings
    )
    planner = JobPlanner(engines, clock, settings)
    idempotency = Idempotency(storage.tables["idempotency"], clock, new_id)
    probe = audio_probe(settings.longest_source_seconds)
    uploads = Uploads(storage.tables["uploads"], storage.blobs, probe, clock, new_id, settings)
    sources = Sources(storage.blobs, uploads, probe, settings)
    inputs = Inputs(sources, jobs)
    separations = Separations(SeparationPlanner(planner, draw_seed), sources)
    sounds = Sounds(SoundPlanner(planner, draw_seed), bank, storage.tables["sounds"], storage.blobs, jobs, clock)
    effects = EffectsService(EffectsPlanner(planner), sources, jobs, sounds.get)
    metrics = Metrics(counters, metric_rows, store, storage.queues, engines, clock)
    expire_others = (uploads.expire, idempotency.expire, sounds.expire, metrics.fold, live_sessions.expire)
    sender = Sender(timeout_seconds=settings.callback_timeout_seconds, allow_private=settings.allow_private_callbacks)
    return Services(
        settings=settings,
        storage=storage,
        engines=engines,
        jobs=jobs,
        generations=Generations(GenerationPlanner(planner, draw_seed), inputs),
        separations=separations,
        sounds=sounds,
        effects=effects,
        analyses=Analyses(AnalysisPlanner(planner), sources, jobs),
        accompaniments=Accompaniments(AccompanimentPlanner(planner, draw_seed), sources, jobs),
        bridges=Bridges(BridgePlanner(planner), inputs),
        assistant=assistant_of(settings),
        questions=JobQuestions(assistant_of(settings)),
        channel=channel,
        live_events=_live_events(settings, channel, live_sessions),
        metrics=metrics,
        uploads=uploads,
        inbox=Inbox(storage.blobs, separations, jobs),
        runner=runner,
        deliveries=Deliveries(
            storage.tables["deliveries"], store, storage.queues, sender, clock, random.random, new_id, settings,
            counters.count_delivery,
        ),
        dead_letters=DeadLetters(storage.tables["deadletters"], storage.queues, runner, clock),
        idempotency=idempotency,
        housekeeping=Housekeeping(store, jobs, expire_others, storage.queues, clock, settings),
        new_id=new_id,
        clock=clock,
    )  # fmt: skip


def _announcers(settings: Settings, storage: Storage, counters: Counters, channel: Channel) -> Announcers:
    """Who is told of every change of a job; clients that listen come last, since nothing depends on them."""
    announcers = (
        CallbackAnnouncer(storage.queues, settings),
        InboxAnnouncer(storage.blobs, settings.public_url),
        counters,
    )
    return Announcers((*announcers, ChannelAnnouncer(channel)) if service_address(settings) else announcers)


def _live_events(settings: Settings, channel: Channel, sessions: LiveSessions) -> LiveEvents:
    """What Web PubSub tells of its clients, and how it is known to come from there."""
    address = service_address(settings)
    check = open_event_check(
        address, tenant=settings.web_pubsub_tenant, audience=settings.web_pubsub_audience,
        identity=settings.web_pubsub_identity,
    )  # fmt: skip
    return LiveEvents(channel, address.host if address else "", check, sessions)


def _workers(
    settings: Settings, storage: Storage, engines: Engines, jobs: JobStore, bank: SoundStore, clock: Clock
) -> dict[JobKind, Worker]:
    """Who does the jobs of each kind."""
    sounds = SoundWorker(engines, storage.blobs, storage.tables["sounds"], bank, jobs, clock)
    return {
        JobKind.GENERATION: GenerationWorker(engines, storage.blobs),
        JobKind.SEPARATION: SeparationWorker(engines, storage.blobs, settings.longest_source_seconds),
        JobKind.SOUND: sounds,
        JobKind.SOUND_BATCH: sounds,
        JobKind.EFFECTS: EffectsWorker(storage.blobs, settings.longest_source_seconds),
        JobKind.ACCOMPANIMENT: AccompanimentWorker(engines, storage.blobs),
        JobKind.BRIDGE: BridgeWorker(engines, storage.blobs),
        JobKind.ANALYSIS: AnalysisWorker(storage.blobs, settings.longest_source_seconds),
    }


def azure_storage(settings: Settings) -> Storage:
    """The storage account that the settings name."""
    from core.storage.azure_blobs import AzureBlobs, blob_service
    from core.storage.azure_queues import AzureQueues, queue_service
    from core.storage.azure_tables import AzureTable, table_service

    service = table_service(settings)
    tables = {name: AzureTable(service, name) for name in TABLES}
    queues = AzureQueues(queue_service(settings))
    blobs = AzureBlobs(blob_service(settings))

    def ensure() -> None:
        for table in tables.values():
            table.ensure()
        queues.ensure(*QUEUES)
        blobs.ensure(*CONTAINERS)

    return Storage(dict(tables), queues, blobs, ensure)


def memory_storage() -> Storage:
    """Storage that lives as long as the process."""
    from core.storage.memory import MemoryBlobs, MemoryQueues, MemoryTable

    return Storage({name: MemoryTable() for name in TABLES}, MemoryQueues(), MemoryBlobs(), lambda: None)
