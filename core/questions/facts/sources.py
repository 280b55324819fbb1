"""What there is to say of the audio that a request brought along."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.record import Record
from core.questions.wording import channels


def facts(record: Record, pointer: str, called: str, scope: str | None = None) -> Iterator[Fact]:
    """Of the file whose ``source`` and ``audio`` stand at ``pointer``; ``called`` is what it is to the job."""
    asked = (Topic.PARAMETERS, Topic.MADE)
    yield from record.tell(
        asked, "source", f"{called} was {{filename!q}}, of {{size}} bytes.", scope=scope,
        filename=f"{pointer}/source/filename", size=f"{pointer}/source/size_bytes",
    )  # fmt: skip
    yield from record.tell(
        (Topic.FOUND, Topic.PARAMETERS), "source format sample_rate channels",
        f"{called} came as {{container}} ({{codec}}) at {{rate}} Hz in {{channels}}.", scope=scope,
        container=f"{pointer}/audio/container", codec=f"{pointer}/audio/codec", rate=f"{pointer}/audio/sample_rate",
        also=[f"{pointer}/audio/channels"], values={"channels": channels(record.get(f"{pointer}/audio/channels"))},
    )  # fmt: skip
    yield from record.tell(
        (Topic.FOUND, Topic.PARAMETERS), "source duration", f"{called} lasts {{seconds}} s.", scope=scope,
        seconds=f"{pointer}/audio/duration_seconds",
    )  # fmt: skip
