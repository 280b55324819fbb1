"""What a process does not do before its first request."""

from __future__ import annotations

import os
import subprocess
import sys

_PROGRAM = """
import function_app
from core.jobs.model import Job
from core.jobs.messages import CallbackMessage

for row in (Job, CallbackMessage):
    assert not row.__pydantic_complete__, row
"""


def test_rows_and_messages_are_built_when_the_first_one_comes() -> None:
    environ = {**os.environ, "STEMWORKS_ROLE": "http", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    subprocess.run([sys.executable, "-c", _PROGRAM], env=environ, check=True)
