"""A batch of sounds as the files of a zip: an instrument for samplers, a manifest, and the sounds themselves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from core.soundbank.batch import BatchNote
from core.soundbank.sample import Sample
from core.soundbank.sfz import key_of, sfz_document

FORMAT = "stemworks.sound-batch"
FORMAT_VERSION = 1
"""Of the manifest; it grows when a field changes its meaning or goes, not when one comes."""


def export_files(
    batch_id: str,
    created_at: datetime,
    notes: Sequence[tuple[BatchNote, Sample | None]],
    read: Callable[[Sample], Iterable[bytes]],
) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield name and content of each file: ``<instrument>_<technique>.sfz``, ``manifest.json``, ``samples/*.wav``.

    ``notes`` are those of one batch, with the sound of each, or ``None`` where there is none, or no longer. Such notes
    are named as missing in the manifest; if no sound is left there is no SFZ file. ``read`` is called for each sound
    when its turn has come.
    """
    files = file_names([sample for _, sample in notes if sample is not None])
    instrument = _instrument_file(files)
    if instrument is not None:
        yield instrument, [sfz_document(files).encode()]
    manifest = batch_manifest(batch_id, created_at, notes, files, instrument)
    yield "manifest.json", [json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"]
    for name, sample in files.items():
        yield name, read(sample)


def file_names(samples: Iterable[Sample]) -> dict[str, Sample]:
    """The sounds by names that tell what they are, as ``samples/s3_f05_v070.wav``; in doubt with their id as well."""
    stems = {sample.sample_id: (_stem(sample), sample) for sample in samples}
    times = Counter(stem for stem, _ in stems.values())
    return {
        f"samples/{stem if times[stem] == 1 else f'{stem}_{sample_id}'}.wav": sample
        for sample_id, (stem, sample) in stems.items()
    }


def batch_manifest(
    batch_id: str,
    created_at: datetime,
    notes: Sequence[tuple[BatchNote, Sample | None]],
    files: Mapping[str, Sample],
    instrument_file: str | None,
) -> dict[str, Any]:
    """What is in the zip, and what is known of it; ``files`` are the sounds by their names there.

    Its keys are always the same ones, in the same order. What the sounds share is ``None`` if there are none.
    """
    shared = next(iter(files.values()), None)
    makers = {sample.made_by.model_dump_json(): sample.made_by for sample in files.values()}
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "batch_id": batch_id,
        "created_at": created_at.isoformat(),
        "sfz": instrument_file,
        "instrument": shared and shared.instrument,
        "tuning": shared and shared.tuning,
        "technique": shared and shared.technique,
        "style_prompt": shared and shared.style_prompt,
        "effects": shared and shared.effects,
        "made_by": [maker.model_dump() for maker in makers.values()],
        "totals": {
            "notes": len(notes),
            "files": len(files),
            "missing": sum(sample is None for _, sample in notes),
            "duration_seconds": round(sum(sample.duration_seconds for sample in files.values()), 3),
            "file_size_bytes": sum(sample.file_size_bytes for sample in files.values()),
        },
        "notes": [_entry(name, sample) for name, sample in files.items()],
        "missing": [asdict(note) for note, sample in notes if sample is None],
    }


def _instrument_file(files: Mapping[str, Sample]) -> str | None:
    for sample in files.values():
        return f"{'_'.join((sample.instrument, *sample.technique))}.sfz"
    return None


def _stem(sample: Sample) -> str:
    return f"s{sample.string}_f{sample.fret:02}_v{round(100 * sample.velocity):03}"


def _entry(name: str, sample: Sample) -> dict[str, Any]:
    return {
        "file": name,
        "sample_id": sample.sample_id,
        "string": sample.string,
        "fret": sample.fret,
        "velocity": sample.velocity,
        "technique": sample.technique,
        "midi": key_of(sample),
        "note": sample.pitch.note,
        "asked_hz": sample.pitch.frequency_hz,
        "measured_hz": sample.pitch.measured_hz,
        "deviation_cents": sample.pitch.deviation_cents,
        "peak_dbfs": sample.peak_dbfs,
        "loudness_lufs": sample.loudness_lufs,
        "duration_seconds": sample.duration_seconds,
        "sha256": sample.sha256,
        "file_size_bytes": sample.file_size_bytes,
    }
