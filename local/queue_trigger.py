"""The queue trigger: polling, leases, retries and poison, as the Storage Queues extension does them."""

import asyncio
import base64
import binascii
import json
import logging
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.functions import meta
from azure.functions.queue import QueueMessageInConverter
from azure.storage.queue import QueueMessage

from local.functions import FunctionFailed, Invoker, LoadedFunction
from local.settings import HostSettings, SettingsError
from local.storage import Storage, stopped_within

MIN_POLLING_SECONDS = 0.1
JITTER = 0.2
POISON_SUFFIX = "-poison"
logger = logging.getLogger("local.queue_trigger")


class UndecodableMessage(Exception):
    """The message is not what `messageEncoding` says."""


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues` of host.json, and the lease that the extension has built in."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    max_polling_seconds: float = 60.0
    visibility_timeout_seconds: float = 0.0
    is_base64: bool = True
    lease_seconds: float = 600.0
    renew_seconds: float = 300.0

    @classmethod
    def from_settings(cls, settings: HostSettings) -> Self:
        batch_size = int(settings.option("extensions.queues.batchSize", cls.batch_size))
        return cls(
            batch_size=batch_size,
            new_batch_threshold=int(settings.option("extensions.queues.newBatchThreshold", batch_size // 2)),
            max_dequeue_count=int(settings.option("extensions.queues.maxDequeueCount", cls.max_dequeue_count)),
            max_polling_seconds=settings.seconds("extensions.queues.maxPollingInterval", cls.max_polling_seconds),
            visibility_timeout_seconds=settings.seconds("extensions.queues.visibilityTimeout", 0.0),
            is_base64=str(settings.option("extensions.queues.messageEncoding", "base64")).lower() == "base64",
        )

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= 32:
            raise SettingsError(f"extensions.queues.batchSize must be 1 to 32, it is {self.batch_size}")


class Backoff:
    """Delays between empty polls: 100 ms, then 100 ms + jittered 100, 200, 400 … up to the maximum."""

    def __init__(self, max_seconds: float, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._max = max(max_seconds, MIN_POLLING_SECONDS)
        self._jitter = jitter
        self._empty_polls = 0

    def reset(self) -> None:
        """A message was found."""
        self._empty_polls = 0

    def next_delay(self) -> float:
        """Seconds to wait after one more empty poll."""
        delay = MIN_POLLING_SECONDS
        if self._empty_polls:
            factor = self._jitter(1 - JITTER, 1 + JITTER)
            delay += factor * 2.0 ** min(self._empty_polls - 1, 30) * MIN_POLLING_SECONDS
        self._empty_polls += 1
        return min(delay, self._max)


@dataclass
class Lease:
    """One received message; its pop receipt changes with every renewal."""

    message: QueueMessage
    body: bytes
    pop_receipt: str | None

    @property
    def attempt(self) -> int:
        """How often the message was received, this time included."""
        return self.message.dequeue_count or 1


class QueueListener:
    """Polls one queue and hands each message to `handle`, which fails by raising FunctionFailed."""

    def __init__(
        self,
        storage: Storage,
        queue_name: str,
        options: QueueOptions,
        handle: Callable[[Lease], Awaitable[None]],
        poison_name: str | None = None,
    ) -> None:
        self.name = queue_name.lower()
        self._storage = storage
        self._queue = storage.queue(self.name)
        self._options = options
        self._handle = handle
        # A queue whose own name ends in -poison has no poison queue, or a message would move for ever.
        has_poison = poison_name is not None or not self.name.endswith(POISON_SUFFIX)
        self._poison_name = (poison_name or self.name + POISON_SUFFIX) if has_poison else None
        self._backoff = Backoff(options.max_polling_seconds)
        self._running: set[asyncio.Task[None]] = set()
        self._is_failing = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping`, then wait for the messages in hand."""
        while not stopping.is_set():
            messages = await self._receive()
            if not messages:
                await stopped_within(stopping, self._backoff.next_delay())
                continue
            self._backoff.reset()
            self._running |= {asyncio.create_task(self._process(message)) for message in messages}
            await self._until_running(self._options.new_batch_threshold, stopping)
        await self._until_running(0, None)

    async def _until_running(self, at_most: int, stopping: asyncio.Event | None) -> None:
        while len(self._running) > at_most and not (stopping and stopping.is_set()):
            # The time-out is there for the stop signal; a finished message is noticed at once.
            done, self._running = await asyncio.wait(self._running, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def _receive(self) -> list[QueueMessage]:
        """One batch; a queue that is missing, or an account out of reach, is polled again later."""
        try:
            messages = await self._storage.call(self._receive_batch)
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            if not self._is_failing:
                logger.warning("queue %s cannot be polled, trying on: %s", self.name, error)
            self._is_failing = True
            return []
        self._is_failing = False
        return messages

    def _receive_batch(self) -> list[QueueMessage]:
        count = self._options.batch_size
        lease_seconds = int(self._options.lease_seconds)
        return list(
            self._queue.receive_messages(messages_per_page=count, max_messages=count, visibility_timeout=lease_seconds)
        )

    async def _process(self, message: QueueMessage) -> None:
        try:
            await self._process_leased(Lease(message, b"", message.pop_receipt))
        except AzureError as error:
            logger.warning("message %s of %s will come back: %s", message.id, self.name, error)

    async def _process_leased(self, lease: Lease) -> None:
        if lease.attempt > self._options.max_dequeue_count:
            await self._poison(lease, f"it was received {lease.attempt} times")
            return
        try:
            lease.body = decode_body(lease.message.content, self._options.is_base64)
        except UndecodableMessage:
            await self._poison(lease, "it is not base64")
            return
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(lease, done))
        try:
            await self._handle(lease)
            succeeded = True
        except FunctionFailed:
            succeeded = False
        except AzureError as error:
            logger.warning("message %s of %s failed before its function: %s", lease.message.id, self.name, error)
            succeeded = False
        finally:
            done.set()
            await renewal
        await self._complete(lease, succeeded)

    async def _renew(self, lease: Lease, done: asyncio.Event) -> None:
        """Keep the message invisible while its function runs."""
        while not await stopped_within(done, self._options.renew_seconds):
            try:
                await self._set_visibility(lease, self._options.lease_seconds)
            except AzureError as error:
                logger.warning("the lease of message %s of %s was not renewed: %s", lease.message.id, self.name, error)

    async def _complete(self, lease: Lease, succeeded: bool) -> None:
        if succeeded:
            await self._delete(lease)
        elif self._poison_name is None:
            # The extension leaves it invisible until its lease ends, so that it does not spin.
            logger.warning("message %s failed; %s has no poison queue: it stays there", lease.message.id, self.name)
        elif lease.attempt >= self._options.max_dequeue_count:
            await self._poison(lease, f"it failed {lease.attempt} times")
        else:
            await self._release(lease)

    async def _set_visibility(self, lease: Lease, seconds: float) -> None:
        updated = await self._storage.call(
            self._queue.update_message, lease.message.id, lease.pop_receipt, visibility_timeout=int(seconds)
        )
        lease.pop_receipt = updated.pop_receipt

    async def _release(self, lease: Lease) -> None:
        try:
            await self._set_visibility(lease, self._options.visibility_timeout_seconds)
        except HttpResponseError as error:
            logger.info("message %s of %s is someone else's now: %s", lease.message.id, self.name, error.reason)

    async def _delete(self, lease: Lease) -> None:
        try:
            await self._storage.call(self._queue.delete_message, lease.message.id, lease.pop_receipt)
        except HttpResponseError as error:
            logger.info("message %s of %s is someone else's now: %s", lease.message.id, self.name, error.reason)

    async def _poison(self, lease: Lease, why: str) -> None:
        """Move it, its text unchanged, to the poison queue; where there is none it stays invisible."""
        if self._poison_name is None:
            logger.warning("message %s of %s is left alone: %s", lease.message.id, self.name, why)
            return
        logger.warning("message %s goes to %s: %s", lease.message.id, self._poison_name, why)
        poison = await self._storage.ensure_queue(self._poison_name)
        await self._storage.call(poison.send_message, lease.message.content)
        await self._delete(lease)


def queue_listener(
    function: LoadedFunction, settings: HostSettings, storage: Storage, invoker: Invoker, options: QueueOptions
) -> QueueListener:
    """The listener of one function with a queue trigger."""

    async def handle(lease: Lease) -> None:
        await invoker.invoke(function, lambda: queue_argument(function, lease.message, lease.body))

    return QueueListener(storage, settings.resolve(function.binding["queueName"]), options, handle)


def queue_argument(function: LoadedFunction, message: QueueMessage, body: bytes) -> Any:
    """What the function receives: a func.QueueMessage, or its body as str or bytes."""
    if function.annotation in (str, bytes):
        return body if function.annotation is bytes else body.decode()
    return QueueMessageInConverter.decode(as_datum(body), trigger_metadata=trigger_metadata(message, body))


def manual_queue_argument(function: LoadedFunction, text: str) -> Any:
    """The argument for a run by hand: a message that no queue has held."""
    now = datetime.now(UTC)
    message = QueueMessage(content=text, id=str(uuid.uuid4()), dequeue_count=1, pop_receipt="")
    message.inserted_on = message.next_visible_on = now
    message.expires_on = now + timedelta(days=7)
    return queue_argument(function, message, text.encode())


def decode_body(text: str, is_base64: bool) -> bytes:
    """Raises UndecodableMessage."""
    if not is_base64:
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableMessage(text) from error


def trigger_metadata(message: QueueMessage, body: bytes) -> dict[str, meta.Datum]:
    """The host's fields, overwritten without regard to case by the message's own top-level keys."""
    fields: dict[str, Any] = {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        "ExpirationTime": iso(message.expires_on),
        "InsertionTime": iso(message.inserted_on),
        "NextVisibleTime": iso(message.next_visible_on),
    }
    names = {name.lower(): name for name in fields}
    fields |= {names.get(key.lower(), key): value for key, value in json_object(body).items()}
    return {
        name: meta.Datum(value, "string") if isinstance(value, str) else meta.Datum(json.dumps(value), "json")
        for name, value in fields.items()
    }


def iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def json_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def as_datum(body: bytes) -> meta.Datum:
    try:
        return meta.Datum(body.decode(), "string")
    except UnicodeDecodeError:
        return meta.Datum(body, "bytes")
