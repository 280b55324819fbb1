"""Timers: recover lost jobs, remove expired files."""

import logging

import azure.functions as func

from core.bootstrap import bootstrap

log = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *")
def recover_jobs(timer: func.TimerRequest) -> None:
    """Every minute: send again the jobs that nobody holds."""
    log.info("recovered %s jobs", bootstrap().housekeeping.recover())


@blueprint.timer_trigger(arg_name="timer", schedule="0 */10 * * * *")
def expire_files(timer: func.TimerRequest) -> None:
    """Every ten minutes: remove the files of jobs that are past their time."""
    log.info("expired the files of %s jobs", bootstrap().housekeeping.expire())
