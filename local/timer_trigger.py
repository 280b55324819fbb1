"""The timer trigger: NCRONTAB schedules, one instance at a time, and missed runs made up for."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.functions import meta
from azure.functions.timer import TimerRequestConverter
from azure.storage.blob import BlobClient, BlobLeaseClient
from croniter import croniter

from local.functions import FunctionFailed, Invoker, LoadedFunction
from local.settings import HostSettings, SettingsError, parse_timespan
from local.storage import Storage, stopped_within

MONITORED_FROM = timedelta(minutes=1)
logger = logging.getLogger("local.timer_trigger")


@dataclass(frozen=True)
class LockOptions:
    """The singleton lease of a timer: 15 s is the least that storage grants."""

    lease_seconds: int = 15
    renew_seconds: float = 5.0


class Schedule:
    """An NCRONTAB expression of 6 fields, seconds first, or of 5; or a TimeSpan between runs."""

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        self.expression = expression
        self._interval = parse_timespan(expression) if len(fields) == 1 and ":" in expression else None
        # croniter takes the seconds first only when told; a 5-field expression runs at second 0.
        self._cron = " ".join(["0", *fields] if len(fields) == 5 else fields)
        if self._interval is None and not croniter.is_valid(self._cron, second_at_beginning=True):
            raise SettingsError(f"{expression!r} is not an NCRONTAB schedule")

    def next_after(self, moment: datetime) -> datetime:
        if self._interval is not None:
            return moment + self._interval
        following: datetime = croniter(self._cron, moment, second_at_beginning=True).get_next(datetime)
        return following

    def is_monitored(self, now: datetime) -> bool:
        """Missed runs are made up for only when a minute or more lies between two of them."""
        first = self.next_after(now)
        return self.next_after(first) - first >= MONITORED_FROM


class TimerListener:
    """Runs one function on its schedule while it holds the function's lock."""

    def __init__(
        self,
        function: LoadedFunction,
        settings: HostSettings,
        storage: Storage,
        invoker: Invoker,
        lock: LockOptions = LockOptions(),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._function = function
        self._storage = storage
        self._invoker = invoker
        self._lock = lock
        self._now = now
        self._schedule = Schedule(settings.resolve(function.binding["schedule"]))
        self._is_monitored = function.binding.get("useMonitor") is not False and self._schedule.is_monitored(now())
        self._lock_name = f"locks/{settings.host_id}/Host.Functions.{function.name}.Listener"
        self._status_name = f"timers/{settings.host_id}/Host.Functions.{function.name}/status"
        self._status: dict[str, str] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Wait for the lock, then run on schedule until `stopping`; starts over when the lock is lost."""
        while not stopping.is_set():
            lease = await self._acquire()
            if lease is None:
                await stopped_within(stopping, self._lock.renew_seconds)
                continue
            over = asyncio.Event()
            holding = asyncio.create_task(self._hold(lease, stopping, over))
            try:
                await self._run_locked(over)
            except AzureError as error:
                logger.warning("timer %s starts over: %s", self._function.name, error)
                await stopped_within(stopping, self._lock.renew_seconds)
            finally:
                over.set()
                await holding
                await self._release(lease)

    async def _run_locked(self, over: asyncio.Event) -> None:
        started = self._now()
        due = self._schedule.next_after(started)
        if await self._is_past_due(started):
            due = await self._fire(started, past_due=True)
        elif self._function.binding.get("runOnStartup"):
            due = await self._fire(started, past_due=False)
        while not await stopped_within(over, max(0.0, (due - self._now()).total_seconds())):
            if self._now() >= due:
                due = await self._fire(self._now(), past_due=False)

    async def _fire(self, moment: datetime, past_due: bool) -> datetime:
        """Run once; returns when the next run is due, counted from the start of this one."""
        with contextlib.suppress(FunctionFailed):
            await self._invoker.invoke(self._function, lambda: timer_argument(past_due, self._status))
        due = self._schedule.next_after(moment)
        self._status = {"Last": moment.isoformat(), "Next": due.isoformat(), "LastUpdated": moment.isoformat()}
        if self._is_monitored:
            status = await self._status_blob()
            await self._storage.call(status.upload_blob, json.dumps(self._status).encode(), overwrite=True)
        return due

    async def _is_past_due(self, now: datetime) -> bool:
        """Whether a run was missed, going by the schedule as it is now; stores the first status."""
        if not self._is_monitored:
            return False
        blob = await self._status_blob()
        try:
            content = await self._storage.call(lambda: blob.download_blob().readall())
        except ResourceNotFoundError:
            status = {"Last": None, "Next": self._schedule.next_after(now).isoformat(), "LastUpdated": now.isoformat()}
            await self._storage.call(blob.upload_blob, json.dumps(status).encode(), overwrite=True)
            return False
        self._status = json.loads(content)
        last = datetime.fromisoformat(self._status["Last"] or self._status["LastUpdated"])
        return self._schedule.next_after(last) <= now

    async def _status_blob(self) -> BlobClient:
        return (await self._storage.hosts_container()).get_blob_client(self._status_name)

    async def _acquire(self) -> BlobLeaseClient | None:
        """The lock, or None while another host has it."""
        try:
            blob = (await self._storage.hosts_container()).get_blob_client(self._lock_name)
            with contextlib.suppress(ResourceExistsError):
                await self._storage.call(blob.upload_blob, b"", overwrite=False)
            lease: BlobLeaseClient = await self._storage.call(blob.acquire_lease, self._lock.lease_seconds)
        except HttpResponseError:
            return None
        except AzureError as error:
            logger.warning("the lock of timer %s is out of reach: %s", self._function.name, error)
            return None
        return lease

    async def _hold(self, lease: BlobLeaseClient, stopping: asyncio.Event, over: asyncio.Event) -> None:
        """Renew the lock until the host stops; says `over` when it stops or the lock is lost."""
        stop = asyncio.create_task(stopping.wait())
        lost = asyncio.create_task(over.wait())
        while not stop.done() and not lost.done():
            await asyncio.wait({stop, lost}, timeout=self._lock.renew_seconds, return_when=asyncio.FIRST_COMPLETED)
            try:
                await self._storage.call(lease.renew)
            except AzureError as error:
                logger.warning("the lock of timer %s is lost: %s", self._function.name, error)
                break
        over.set()
        stop.cancel()
        lost.cancel()

    async def _release(self, lease: BlobLeaseClient) -> None:
        try:
            await self._storage.call(lease.release)
        except AzureError as error:
            logger.info("the lock of timer %s runs out by itself: %s", self._function.name, error)


def timer_argument(past_due: bool, status: dict[str, Any]) -> Any:
    """A func.TimerRequest."""
    content = json.dumps({"IsPastDue": past_due, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": status})
    return TimerRequestConverter.decode(meta.Datum(content, "json"), trigger_metadata=None)
