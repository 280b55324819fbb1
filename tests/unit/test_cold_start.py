"""What a process does not do before its first request."""

from __future__ import annotations

import os
import subprocess
import sys

_PROGRAM = """
import function_app
from core.generation.request import GenerationRequest
from core.jobs.model import Job
from core.jobs.request import JobRequest

for model in (JobRequest, GenerationRequest, Job):
    assert not model.__pydantic_complete__, model
assert GenerationRequest(target_stems=("bass",)).target_stems == ("bass",)
"""


def test_requests_and_rows_are_built_when_the_first_one_comes() -> None:
    environ = {**os.environ, "STEMWORKS_ROLE": "http", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    subprocess.run([sys.executable, "-c", _PROGRAM], env=environ, check=True)
