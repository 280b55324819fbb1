"""What was measured of a job, under the names that the models of costs and capacity use."""

from __future__ import annotations

from dataclasses import dataclass

from infra.costs.bench_figures import BenchFigures

STEMS = 4  # of the jobs that are reckoned with: what demucs and spectral make of a song
_TRANSACTIONS = "Storage transactions of a job"
_SYNTH = "The synth engine"
_WITH_FILES = "with its file and its levels"
_SAMPLED_SECONDS = 2.0  # the length of the stems in the section on sampling, which its text gives


@dataclass(frozen=True)
class Measured:
    """CPU figures are seconds of one core.

    Attributes:
        table_operations, queue_operations: of a job, from its POST to the deleted message of its callback.
        blob_operations: of a generation of ``STEMS`` short stems.
        overhead_cpu_seconds: of a job that has nothing to do.
        spectral_speed: seconds of a stereo mixture a CPU-second, without any file.
        demucs_speed: the same of htdemucs in float32.
        decode_speed: seconds of stereo a CPU-second.
        synth_speed: seconds of one stem a CPU-second, with its file, in the slowest case.
        stem_file_cpu_seconds: of writing and measuring a second of one stem, whatever made it.
        musicgen_cpu_seconds: of a second of ``STEMS`` stems in float32, sampled together.
        model_load_seconds: until a MusicGen is ready.
    """

    table_operations: float
    queue_operations: float
    blob_operations: float
    overhead_cpu_seconds: float
    spectral_speed: float
    demucs_speed: float
    decode_speed: float
    synth_speed: float
    stem_file_cpu_seconds: float
    musicgen_cpu_seconds: float
    model_load_seconds: float

    @classmethod
    def of(cls, bench: BenchFigures) -> Measured:
        """Find them in ``bench.md``. Raises ``FigureMissing``."""
        files = {stem: bench.figure(_SYNTH, stem, _WITH_FILES) for stem in bench.rows(_SYNTH, _WITH_FILES)}
        return cls(
            table_operations=bench.figure(_TRANSACTIONS, str(STEMS), "tables"),
            queue_operations=bench.figure(_TRANSACTIONS, str(STEMS), "queues"),
            blob_operations=bench.figure(_TRANSACTIONS, str(STEMS), "blobs"),
            overhead_cpu_seconds=bench.figure("Overhead of a job", "Stemworks, Azurite, POST", "CPU ms a job") / 1000,
            spectral_speed=bench.figure("The spectral engine", "stereo", "x real time"),
            demucs_speed=bench.figure("The demucs engine", "60 s, ours, float32", "audio s / CPU s"),
            decode_speed=bench.figure("Effects", "typical chain", "x real time")
            * bench.figure("Effects", "typical chain", "x decoding"),
            synth_speed=min(files.values()),
            stem_file_cpu_seconds=max(
                1 / speed - 1 / bench.figure(_SYNTH, stem, "render") for stem, speed in files.items()
            ),
            musicgen_cpu_seconds=bench.figure("MusicGen: sampling", "ours, one batch, float32", "CPU s")
            / _SAMPLED_SECONDS,
            model_load_seconds=bench.figure("Loading a MusicGen", "here: ready to generate, in float32", "s"),
        )
