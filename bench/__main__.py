"""``python -m bench`` measures everything and writes ``bench.md``; with names of sections it measures those.

With ``--write`` these take the place of the ones in ``bench.md`` that are of another day.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import re
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.report import Section

PROJECT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "synth": "seconds of audio a CPU-second, and memory, of the synth engine",
    "spectral": "how fast the spectral engine separates, and its memory",
    "demucs": "streaming demucs against demucs itself: samples, time, memory",
    "musicgen": "MusicGen's sampling against audiocraft's: the same codes, in less time",
    "musicgen_loading": "how long a MusicGen takes to load, against audiocraft",
    "musicgen_previews": "how soon the first seconds of a stem can be heard",
    "plucked_string": "seconds of notes a CPU-second of the string model, by technique",
    "effects": "how fast each effect is, and the memory of a job of them",
    "live": "how soon live chords come back over /ws, and how many connections a core carries",
    "analysis": "how fast an analysis is, its memory, and how right it is",
    "morph": "how fast the morph engine bridges, and the memory of a job of it",
    "encodec": "EnCodec and the bridge's model for 16 s, batches of segments, memory",
    "sounds": "notes a second through Azurite, made and found in the bank",
    "sounds_search": "how long a search takes among 1,000 to 100,000 sounds",
    "tabs": "how long fingerings of 200 chords take",
    "transactions": "storage transactions from a POST to its delivered callback",
    "overhead": "an empty job here, with FastAPI's background tasks, and with Celery and Redis",
    "import": "CPU time of a cold start of the http role",
}
_MODULES = {"import": "bench.imports"}  # the one name that no module can have
_PACKAGES = (
    "azure-functions", "fastapi", "pydantic", "numpy", "azure-storage-blob", "azure-storage-queue",
    "azure-data-tables", "uvicorn", "celery", "redis", "torch", "demucs",
    "audiocraft", "encodec", "transformers", "diffusers", "av", "soundfile", "soxr",
)  # fmt: skip


def main() -> int:
    """The exit status: 1 if a section could not be measured. A missed goal is a result, not an error."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of the `with` blocks, which end the processes
    arguments = parser().parse_args()
    names = arguments.sections
    measured = [measure(name) for name in names or SECTIONS]
    sections = [section for section in measured if section]
    if len(sections) < len(measured):
        print("not everything could be measured; bench.md is as it was", file=sys.stderr)
        return 1
    if not names:
        write("\n".join([header(), *(section.markdown() for section in sections)]))
    elif arguments.write:
        write(with_sections((PROJECT / "bench.md").read_text(), sections))
    return 0


def write(report: str) -> None:
    """Write ``bench.md``."""
    (PROJECT / "bench.md").write_text(report)
    print("wrote bench.md", file=sys.stderr)


def with_sections(report: str, sections: Sequence[Section]) -> str:
    """The report with these sections in the place of those of the same titles; new ones at its end."""
    head, *parts = re.split(r"^(?=## )", report, flags=re.MULTILINE)
    known = {part.partition("\n")[0]: part.rstrip() + "\n" for part in parts}
    known |= {f"## {section.title}": section.markdown() for section in sections}
    return "\n".join([head.rstrip() + "\n", *known.values()])


def parser() -> argparse.ArgumentParser:
    """The command line."""
    sections = "\n".join(f"  {name:17} {what}" for name, what in SECTIONS.items())
    top = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure how fast Stemworks is. Without a section: measure all, and write bench.md.",
        epilog=f"sections:\n{sections}\n\noverhead needs requirements-bench.txt and redis-server on the PATH.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("sections", nargs="*", metavar="SECTION", type=section_name, help="print these alone")
    top.add_argument("--write", action="store_true", help="and put them into bench.md, in the place of older ones")
    return top


def section_name(text: str) -> str:
    """A known section's name."""
    if text not in SECTIONS:
        raise argparse.ArgumentTypeError(f"there is no section {text!r}; there is {', '.join(SECTIONS)}")
    return text


def measure(name: str) -> Section | None:
    """Measure and print one section; ``None``, and the reason on standard error, if that failed."""
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    try:
        section: Section = importlib.import_module(_MODULES.get(name, f"bench.{name}")).measure()
    except Exception:
        traceback.print_exc()
        return None
    print(section.markdown(), flush=True)
    return section


def header() -> str:
    """When, where and with what."""
    found = {dist.metadata["Name"].lower(): dist.version for dist in importlib.metadata.distributions()}
    versions = [f"{name} {found[name]}" for name in _PACKAGES if name in found]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `python -m bench`; nobody types a number in here.",
            "",
            f"- Date: {datetime.now(UTC):%Y-%m-%d}",
            f"- Python: {platform.python_version()} on {platform.system()} {platform.machine()}",
            f"- CPU: {_cpu_model()}, {len(os.sched_getaffinity(0))} usable",
            f"- Versions: {', '.join([*versions, *_programs()])}",
            "",
        ]
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _programs() -> list[str]:
    node = _first_line("node", "--version").lstrip("v")
    redis = [word.removeprefix("v=") for word in _first_line("redis-server", "--version").split() if "v=" in word]
    return [f"Node.js {node}"] * bool(node) + [f"redis-server {redis[0]}"] * bool(redis)


def _first_line(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
