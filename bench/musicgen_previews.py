"""How soon the first two seconds of a stem can be had while the rest is sampled: a whole job, from claim to storage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.processes import PROJECT
from bench.report import Goal, Section, Table
from core.bootstrap import Services, build, memory_storage
from core.generation.request import GenerationRequest
from core.settings import Settings
from core.storage.memory import MemoryBlobs

SECONDS = 30
PRECISION = "bfloat16"
SOONER = 8.0
_ENVIRON = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"}


def measure() -> Section:
    """Run one job in a process of its own."""
    from bench.musicgen_inputs import save_small

    with tempfile.TemporaryDirectory() as folder:
        save_small(Path(folder) / "musicgen" / "small")
        command = (sys.executable, "-m", "bench.musicgen_previews", folder)
        environ = {**os.environ, **_ENVIRON}
        done = subprocess.run(command, cwd=PROJECT, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    stored: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    first, whole = stored["guitar.preview-0000.wav"], stored["guitar.wav"]
    return Section(
        "Hearing a stem before it is finished",
        f"A job for {SECONDS} s of one stem with `preview`: MusicGen-small's shape with random weights in {PRECISION}, "
        "guidance on, one thread, the model warm, storage in memory. Seconds from the start of the attempt until the "
        "file is in storage.",
        [Table(("file", "s"), [[name, f"{seconds:.1f}"] for name, seconds in sorted(stored.items())])],
        [Goal("the first 2 s are there so many times sooner than the whole", whole / first, SOONER, at_least=True)],
    )


class TimedBlobs(MemoryBlobs):
    """Storage that notes when each file came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, float] = {}

    def write(
        self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int,
        content_type: str, metadata: dict[str, str],
    ) -> None:  # fmt: skip
        """Note the moment after the file was written."""
        super().write(container, name, chunks, size_bytes=size_bytes, content_type=content_type, metadata=metadata)
        self.times[name.rpartition("/")[2]] = time.perf_counter()


def main() -> None:
    """``python -m bench.musicgen_previews MODEL_DIR``: when each file was stored, as a line of JSON."""
    import torch

    torch.set_num_threads(1)
    settings = Settings.read({"MODEL_DIR": sys.argv[1], "TORCH_PRECISION": PRECISION, "TORCH_DEVICE": "cpu"})
    storage = memory_storage()
    blobs = TimedBlobs()
    services = build(settings, type(storage)(storage.tables, storage.queues, blobs, storage.ensure))
    run_job(services, "warm-up", 1)
    blobs.times.clear()
    started = time.perf_counter()
    run_job(services, "measured", SECONDS)
    print(json.dumps({name: moment - started for name, moment in blobs.times.items()}))


def run_job(services: Services, job_id: str, seconds: float) -> None:
    """Plan a job, and do it."""
    request = GenerationRequest.model_validate(
        {
            "engine": "musicgen",
            "target_stems": ["guitar"],
            "preview": True,
            "parameters": {"duration_seconds": seconds, "random_seed": 1},
        }
    )
    services.jobs.submit(services.generations.of_stored(request, job_id=job_id))
    services.runner.run(job_id)
    job = services.jobs.get(job_id)
    if job.error:
        raise RuntimeError(job.error.detail)


if __name__ == "__main__":
    main()
