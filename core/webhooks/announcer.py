"""Queues the events that clients asked for; another function delivers them, so no receiver ever holds up a worker."""

from __future__ import annotations

from core.jobs.messages import CALLBACKS, CallbackMessage
from core.jobs.model import Job
from core.ports import Queues
from core.settings import Settings
from core.webhooks.events import event_of, sequence_of


class CallbackAnnouncer:
    """An ``Announcer`` over the callbacks queue."""

    def __init__(self, queues: Queues, settings: Settings) -> None:
        self._queues = queues
        # A replay must not overtake the first announcement's delivery, or the client would be told twice.
        self._replay_delay_seconds = settings.callback_timeout_seconds + 5

    def announce(self, job: Job, *, replay: bool = False) -> None:
        """Queue the event that ``job``'s state stands for, if the client asked for it."""
        event = event_of(job)
        if event is None or job.callback is None or job.callback.disabled or event not in job.callback.events:
            return
        message = CallbackMessage(job_id=job.job_id, event=event, sequence=sequence_of(job, event), replay=replay)
        self._queues.send(CALLBACKS, message.model_dump_json(), self._replay_delay_seconds if replay else 0)
