"""``POST /v1/accompaniments``, from the request to the files, in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import numpy as np
import pytest

from core.accompaniment import playing
from core.accompaniment.attempt import Attempt
from core.analysis.listening import Voice
from core.analysis.result import Analysis, Beat, ChordSpan, KeyFound, LoudnessFound, Tempo, Tuning
from core.audio.loudness import Loudness, LoudnessMeter
from core.bootstrap import Services, build, memory_storage
from core.jobs.messages import CPU_REQUESTS, GENERATION_REQUESTS
from core.jobs.model import AUDIO_FILES, Job, JobKind, JobStatus
from core.jobs.progress import Progress
from core.ports import Blobs, Engines
from core.settings import Settings
from core.theory.notation import MOST_FAULTS
from tests import in_process
from tests.music import Music, guitar
from tests.songs import decoded, encoded, level_db
from tests.toy_engine import ToyEngine, ToyEngines
from tests.unit.test_synth_timeline import onsets

SAMPLE_RATE = 44100
PATH = "/v1/accompaniments"
CHORDS = {"chords": ["C", "G", "Am", "F"], "tempo_bpm": 120.0}
SEED = {"random_seed": 7}


@pytest.fixture(scope="module")
def music() -> Music:
    return guitar(bars=4, tempo_bpm=120.0)


def knowing(music: Music) -> Callable[[Sequence[Voice], Callable[[float], None]], Analysis]:
    """Hears what is known of the music, and measures the rest of the file that it is given."""

    def analyse(voices: Sequence[Voice], report: Callable[[float], None]) -> Analysis:
        (voice,) = voices
        meter, frames = LoudnessMeter(voice.sample_rate, voice.channels), 0
        for block in voice.blocks():
            meter.add(block)
            frames += block.shape[1]
            report(frames / voice.sample_rate)
        loudness = meter.result()
        has_beats = loudness.integrated_lufs is not None and bool(music.beats)
        return Analysis(
            duration_seconds=round(frames / voice.sample_rate, 6),
            sample_rate=voice.sample_rate,
            channels=voice.channels,
            tempo=Tempo(
                bpm=60 / float(np.diff(music.beats).mean()) if has_beats else None, confidence=0.9 * has_beats,
                slowest_bpm=None, fastest_bpm=None, beats_per_bar=4 if has_beats else None,
            ),
            beats=tuple(Beat(time_seconds=t, position=i % 4 + 1) for i, t in enumerate(music.beats) if has_beats),
            key=KeyFound(tonic="C", mode="major", confidence=0.9, spans=()),
            tuning=Tuning(reference_hz=440, offset_cents=0, confidence=1),
            chords=tuple(
                ChordSpan(start_seconds=start, end_seconds=stop, label=symbol, symbol=symbol, confidence=0.9)
                for start, stop, symbol in music.chords
            ),
            sections=(),
            loudness=LoudnessFound(
                integrated_lufs=loudness.integrated_lufs, range_lu=None, true_peak_dbtp=loudness.true_peak_dbtp
            ),
            spectral_features={},
        )  # fmt: skip

    return analyse


@dataclass(frozen=True)
class KnowingWorker:
    """The worker, with ears that know the music."""

    engines: Engines
    blobs: Blobs
    music: Music

    def run(self, job: Job, progress: Progress) -> None:
        Attempt(self.engines, self.blobs, knowing(self.music), job, progress).run()


@pytest.fixture
def toy() -> ToyEngine:
    return ToyEngine()


@pytest.fixture
def services(music: Music, toy: ToyEngine) -> Services:
    settings = Settings.read({"LONGEST_SOURCE_SECONDS": "60", "SOURCE_CONTAINERS": "inbox audio-files"})
    engines, storage = ToyEngines(toy), memory_storage()
    return build(
        settings, storage, engines=engines,
        workers={JobKind.ACCOMPANIMENT: KnowingWorker(engines, storage.blobs, music)},
    )  # fmt: skip


def call(services: Services, **options: Any) -> httpx.Response:
    return in_process.call(services, "POST", PATH, **options)


def work(services: Services, answer: httpx.Response) -> Job:
    assert answer.status_code == 202, answer.text
    services.runner.run(answer.json()["job_id"])
    return services.jobs.get(answer.json()["job_id"])


def ask(services: Services, **fields: Any) -> Job:
    return work(services, call(services, json=fields))


def send(services: Services, content: bytes, name: str = "guitar.wav", **fields: str) -> httpx.Response:
    parts = [(key, (None, value)) for key, value in fields.items()]
    return call(services, files=[*parts, ("file", (name, content))])


def files_of(services: Services, job: Job) -> dict[str, bytes]:
    assert job.status is JobStatus.COMPLETED, job.error
    read = services.storage.blobs.read
    return {output.name: b"".join(read(AUDIO_FILES, job.folder + output.name)) for output in job.outputs}


def sounds_of(services: Services, job: Job) -> dict[str, np.ndarray]:
    return {name: decoded(content)[0] for name, content in files_of(services, job).items()}


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def loudness_of(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> Loudness:
    meter = LoudnessMeter(sample_rate, samples.shape[0])
    meter.add(np.ascontiguousarray(samples, np.float32))
    return meter.result()


def test_a_file_gets_drums_bass_and_piano_that_go_with_it_and_a_mix(services: Services, music: Music) -> None:
    job = work(services, send(services, encoded(music.samples), **{"random_seed": "7"}))
    assert (job.kind, job.queue, job.folder) == (
        JobKind.ACCOMPANIMENT, CPU_REQUESTS, f"{job.job_id}/accompanied/{job.job_id}/",
    )  # fmt: skip
    assert [output.name for output in job.outputs] == ["drums.wav", "bass.wav", "piano.wav", "mix.wav"]
    assert {sound.shape for sound in sounds_of(services, job).values()} == {music.samples.shape}
    assert job.result is not None
    assert job.result["tempo_bpm"] == pytest.approx(120, abs=0.01)
    assert job.result["chords"]["first"] == ["C", "G", "Am", "F"]
    assert (job.result["key"], job.result["beats_per_bar"], job.result["keeps_time"]) == ("C major", 4, True)


def test_the_drums_fall_on_the_beats_of_the_file(services: Services, music: Music) -> None:
    job = work(services, send(services, encoded(music.samples), target_stems="drums", style="rock", temperature="0"))
    heard = onsets(sounds_of(services, job)["drums.wav"].mean(axis=0, dtype=np.float64))
    deviations = [min(abs(onset - beat) for onset in heard) for beat in music.beats[1:]]  # the first is faded in
    assert np.median(deviations) < 0.001
    assert max(deviations) < 0.006


def test_the_mix_is_the_source_and_the_stems_to_within_rounding(services: Services, music: Music) -> None:
    job = work(services, send(services, encoded(music.samples, subtype="FLOAT"), format="wav24"))
    sounds = sounds_of(services, job)
    assert job.result is not None
    total = music.samples * 10 ** (job.result["source_gain_db"] / 20)
    total = total + sounds["drums.wav"] + sounds["bass.wav"] + sounds["piano.wav"]
    np.testing.assert_allclose(sounds["mix.wav"], total, atol=4 * 2**-24 + 1e-6)


@pytest.mark.parametrize("balance_db", [-9.0, -3.0, 3.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_all_stems_together_are_as_much_louder_than_the_source_as_was_asked(
    services: Services, music: Music, balance_db: float, channels: int
) -> None:
    content = encoded(music.samples[:channels], subtype="FLOAT")
    job = work(services, send(services, content, format="wav_float", balance_db=str(balance_db)))
    sounds = sounds_of(services, job)
    assert job.result is not None
    source = np.broadcast_to(music.samples[:channels], music.samples.shape)
    in_mix = loudness_of(source * 10 ** (job.result["source_gain_db"] / 20)).integrated_lufs
    stems = loudness_of(sum(sounds[name] for name in ("drums.wav", "bass.wav", "piano.wav"))).integrated_lufs
    assert in_mix is not None
    assert stems is not None
    assert stems - in_mix == pytest.approx(balance_db, abs=0.1)
    assert job.result["accompaniment_lufs"] == pytest.approx(stems, abs=0.1)
    each = [entry["loudness_lufs"] for entry in job.result["stems"].values()]
    assert max(each) - min(each) < 0.1


def test_a_source_at_full_scale_is_lowered_with_everything_so_that_nothing_clips(
    services: Services, music: Music
) -> None:
    loud = np.clip(music.samples * 4, -1, 1)
    job = work(services, send(services, encoded(loud, subtype="FLOAT"), format="wav_float"))
    assert job.result is not None
    assert job.result["source_gain_db"] < -1
    for sound in sounds_of(services, job).values():
        assert (loudness_of(sound).true_peak_dbtp or -99) <= -0.999
    mix = loudness_of(sounds_of(services, job)["mix.wav"])
    assert mix.true_peak_dbtp == pytest.approx(-1, abs=0.01)


def test_a_quiet_source_stays_as_it_is(services: Services, music: Music) -> None:
    job = work(services, send(services, encoded(music.samples * 0.05, subtype="FLOAT")))
    assert job.result is not None
    assert job.result["source_gain_db"] == 0


def test_files_have_the_rate_of_the_source(services: Services, music: Music) -> None:
    job = work(services, send(services, encoded(music.samples, sample_rate=48000)))
    for content in files_of(services, job).values():
        sound, sample_rate = decoded(content)
        assert (sample_rate, sound.shape) == (48000, music.samples.shape)


def test_chords_and_a_tempo_are_enough(services: Services) -> None:
    job = ask(services, **CHORDS, **SEED, target_stems=["drums", "bass"], bars=6)
    sounds = sounds_of(services, job)
    assert [*sounds] == ["drums.wav", "bass.wav"]
    assert {sound.shape for sound in sounds.values()} == {(2, 12 * SAMPLE_RATE)}
    together = loudness_of(sounds["drums.wav"] + sounds["bass.wav"]).integrated_lufs
    assert together == pytest.approx(-16, abs=0.1)
    assert job.result is not None
    assert job.result["source"] is None
    assert job.result["source_gain_db"] is None


def test_a_mix_of_chords_alone_is_the_sum_of_the_stems(services: Services) -> None:
    sounds = sounds_of(services, ask(services, **CHORDS, **SEED, mix=True, format="wav_float"))
    total = sounds["drums.wav"] + sounds["bass.wav"] + sounds["piano.wav"]
    np.testing.assert_allclose(sounds["mix.wav"], total, atol=1e-6)


@pytest.mark.parametrize("beats_per_bar", [2, 3, 5, 7])
def test_other_bars_last_as_long_as_their_beats(services: Services, beats_per_bar: int) -> None:
    sounds = sounds_of(services, ask(services, **CHORDS, beats_per_bar=beats_per_bar, target_stems="bass"))
    assert sounds["bass.wav"].shape[1] == 4 * beats_per_bar * SAMPLE_RATE // 2


def test_numerals_are_read_in_their_key(services: Services) -> None:
    job = ask(services, chords=["ii", "V7", "I"], key="Bb", tempo_bpm=200, target_stems=["bass"])
    assert job.result is not None
    assert job.result["chords"]["first"] == ["Cm", "F7", "Bb"]
    assert job.result["key"] == "Bb major"


def test_a_seed_gives_the_same_bytes_and_another_run_of_the_job_as_well(services: Services, music: Music) -> None:
    content = encoded(music.samples)
    services.storage.blobs.write(
        "inbox", "riff.wav", lambda: iter((content,)), size_bytes=len(content), content_type="audio/wav", metadata={}
    )
    first, second = (ask(services, blob="inbox/riff.wav", random_seed=3) for _ in range(2))
    assert files_of(services, first) == files_of(services, second)
    shas = {output.name: output.sha256 for output in first.outputs}
    again = replace_worker(services, first, music)
    assert {output.name: output.sha256 for output in again.outputs} == shas


def replace_worker(services: Services, job: Job, music: Music) -> Job:
    """The job, made once more."""
    store = services.jobs.jobs
    stored = store.get(job.job_id)
    store.replace(stored, stored.evolve(status=JobStatus.QUEUED, attempts_allowed=9, outputs=()))
    services.runner.run(job.job_id)
    return services.jobs.get(job.job_id)


def test_without_a_seed_one_is_drawn_and_told(services: Services) -> None:
    job = ask(services, **CHORDS, target_stems="drums")
    assert job.result is not None
    assert isinstance(job.result["random_seed"], int)


def test_what_a_job_made_can_be_accompanied(services: Services) -> None:
    first = ask(services, **CHORDS, **SEED, target_stems=["piano"], bars=6)
    second = ask(services, job_id=first.job_id, file="piano.wav", target_stems=["drums"])
    assert [*files_of(services, second)] == ["drums.wav", "mix.wav"]


def test_a_blob_can_be_accompanied_and_the_mix_left_out(services: Services, music: Music) -> None:
    content = encoded(music.samples)
    services.storage.blobs.write(
        "inbox", "riff.wav", lambda: iter((content,)), size_bytes=len(content), content_type="audio/wav", metadata={}
    )
    job = ask(services, blob="inbox/riff.wav", target_stems=["bass"], mix=False)
    assert [*files_of(services, job)] == ["bass.wav"]


def test_takes_that_are_too_much_to_be_kept_are_played_again_to_the_same_bytes(
    services: Services, music: Music, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(music.samples, sample_rate=48000)
    kept = files_of(services, work(services, send(services, content, random_seed="3")))
    monkeypatch.setattr(playing, "MOST_KEPT_BYTES", 0)
    again = files_of(services, work(services, send(services, content, random_seed="3")))
    assert kept == again


def test_an_engine_with_weights_follows_the_source_as_a_melody(
    services: Services, toy: ToyEngine, music: Music
) -> None:
    answer = send(services, encoded(music.samples), engine="toy", target_stems="drums,piano", prompt="warm")
    job = work(services, answer)
    assert job.queue == GENERATION_REQUESTS
    assert [*files_of(services, job)] == ["drums.wav", "piano.wav", "mix.wav"]
    assert toy.models == ["melody"]
    (requests,) = toy.rendered
    assert [request.stem_type for request in requests] == ["drums", "piano"]
    for request in requests:
        assert request.melody is not None
        assert request.melody.sample_rate == 32000
        assert request.melody.samples.shape[1] == pytest.approx(music.seconds * 32000, abs=2)
        assert "warm" in request.description
        assert "120 bpm, chords C G Am F" in request.description
    assert job.result is not None
    assert job.result["keeps_time"] is False


def test_from_chords_an_engine_with_weights_is_told_of_them_in_words(services: Services, toy: ToyEngine) -> None:
    job = ask(services, **CHORDS, engine="toy", target_stems=["bass"])
    assert job.status is JobStatus.COMPLETED
    assert toy.models == ["small"]
    assert toy.rendered[0][0].melody is None
    assert "120 bpm, chords C G Am F" in toy.rendered[0][0].description


def test_musicgen_follows_audio_with_its_melody_model_and_chords_with_its_default(
    services: Services, music: Music
) -> None:
    to_audio = send(services, encoded(music.samples), engine="musicgen")
    from_chords = call(services, json={**CHORDS, "engine": "musicgen"})
    models = [services.jobs.get(answer.json()["job_id"]).request["model"] for answer in (to_audio, from_chords)]
    assert models == ["melody", "small"]


def test_silence_and_what_has_no_beat_end_the_job_with_what_is_wrong(services: Services) -> None:
    silent = work(services, send(services, encoded(np.zeros((2, SAMPLE_RATE), np.float32))))
    assert silent.status is JobStatus.FAILED
    assert silent.error is not None
    assert (silent.error.type, silent.attempt) == ("no-beat-found", 1)
    assert "silent" in silent.error.detail


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_noise_has_no_beat(services: Services, music: Music, seconds: float) -> None:
    deaf = replace(music, beats=())
    workers = {JobKind.ACCOMPANIMENT: KnowingWorker(services.engines, services.storage.blobs, deaf)}
    runner = replace(services.runner, workers=workers)
    noise = np.random.default_rng(1).standard_normal((1, round(seconds * SAMPLE_RATE))).astype(np.float32) * 0.1
    answer = send(services, encoded(noise))
    runner.run(answer.json()["job_id"])
    job = services.jobs.get(answer.json()["job_id"])
    assert job.error is not None
    assert job.error.type == "no-beat-found"
    assert "no steady beat was heard" in job.error.detail


def test_music_without_a_chord_gets_drums_and_nothing_else(services: Services, music: Music) -> None:
    drummed = replace(music, chords=((0.0, music.seconds, "N"),))
    workers = {JobKind.ACCOMPANIMENT: KnowingWorker(services.engines, services.storage.blobs, drummed)}
    runner = replace(services.runner, workers=workers)
    answers = {stems: send(services, encoded(music.samples), target_stems=stems) for stems in ("bass", "drums,bass")}
    for answer in answers.values():
        runner.run(answer.json()["job_id"])
    alone, both = (services.jobs.get(answer.json()["job_id"]) for answer in answers.values())
    assert alone.error is not None
    assert "no chord was heard" in alone.error.detail
    sounds = sounds_of(services, both)
    assert level_db(sounds["bass.wav"]) < -200
    assert level_db(sounds["drums.wav"]) > -60


def test_nobody_plays_in_the_silence_around_the_music(services: Services, music: Music) -> None:
    seconds, rate = 4.0, SAMPLE_RATE
    silence = np.zeros((2, round(seconds * rate)), np.float32)
    later = replace(
        music, beats=tuple(beat + seconds for beat in music.beats),
        chords=tuple((start + seconds, stop + seconds, symbol) for start, stop, symbol in music.chords),
    )  # fmt: skip
    workers = {JobKind.ACCOMPANIMENT: KnowingWorker(services.engines, services.storage.blobs, later)}
    runner = replace(services.runner, workers=workers)
    answer = send(services, encoded(np.concatenate((silence, music.samples, silence), axis=1)))
    runner.run(answer.json()["job_id"])
    for sound in sounds_of(services, services.jobs.get(answer.json()["job_id"])).values():
        assert not sound[:, : round(3.9 * rate)].any()
        assert np.abs(sound[:, round(4.0 * rate) :][:, :rate]).max() > 0.01
        assert not sound[:, round((4 + music.seconds + 1) * rate) :].any()


def test_an_engine_that_breaks_leaves_no_file_behind(services: Services, toy: ToyEngine) -> None:
    toy.spoil = lambda block: block * np.float32(np.nan)
    job = ask(services, **CHORDS, engine="toy")
    assert job.error is not None
    assert job.error.type == "not-finite"
    assert services.storage.blobs.list_all(AUDIO_FILES, job.folder) == []


def test_a_job_that_is_canceled_while_it_plays_leaves_no_file_behind(services: Services, toy: ToyEngine) -> None:
    answer = call(services, json={**CHORDS, "engine": "toy", "bars": 30})
    job_id = answer.json()["job_id"]
    toy.after_piece = lambda pieces: cancel_once(services, job_id, pieces)
    services.runner.run(job_id)
    job = services.jobs.get(job_id)
    assert job.status is JobStatus.CANCELED
    assert services.storage.blobs.list_all(AUDIO_FILES, job.folder) == []


def cancel_once(services: Services, job_id: str, pieces: int) -> None:
    if pieces == 1:
        services.jobs.cancel(job_id)


def test_what_is_no_audio_is_refused_at_once(services: Services) -> None:
    answer = send(services, b"not music at all", name="song.txt")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:stemworks:problem:not-audio")


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({}, "", "send audio"),
        ({"chords": ["C"], "tempo_bpm": 90, "blob": "inbox/a.wav"}, "/blob", "either audio or chords"),
        ({"blob": "inbox/a.wav", "upload_id": "b"}, "", "send audio"),
        ({"job_id": "a"}, "/file", "go together"),
        ({"file": "a.wav"}, "/job_id", "go together"),
        ({"blob": "inbox/a.wav", "tempo_bpm": 90}, "/tempo_bpm", "goes with chords"),
        ({"chords": ["C"]}, "/tempo_bpm", "is required with chords"),
        ({"chords": ["C"], "tempo_bpm": 20}, "/tempo_bpm", "must be 30 to 300 beats a minute, not 20"),
        ({"chords": ["C", "G", "F", "Hm"], "tempo_bpm": 90}, "/chords/3", "expected"),
        ({"chords": ["ii"], "tempo_bpm": 90}, "/chords/0", "need a key"),
        ({"chords": ["C"] * 501, "tempo_bpm": 90}, "/chords", "at most 500, not 501"),
        ({"chords": [], "tempo_bpm": 90}, "/chords", "at least one"),
        ({"chords": ["C"], "key": "H", "tempo_bpm": 90}, "/key", "is no key"),
        ({"chords": ["C"], "tempo_bpm": 90, "beats_per_bar": 9}, "/beats_per_bar", "must be 2 to 7 beats"),
        ({"chords": ["C"], "tempo_bpm": 90, "bars": 2, "duration_seconds": 9}, "/duration_seconds", "either bars"),
        ({"chords": ["C"], "tempo_bpm": 30, "bars": 2000}, "/bars", "2000 bars last 16000.0 seconds at this tempo"),
        ({"chords": ["C"], "tempo_bpm": 300, "beats_per_bar": 2}, "/chords", "1 bar lasts 0.4 seconds at this tempo"),
        ({**CHORDS, "target_stems": ["kazoo"]}, "/target_stems/0", "'drums'"),
        ({**CHORDS, "target_stems": []}, "/target_stems", "at least one"),
        ({**CHORDS, "engine": "orchestra"}, "/engine", "no generation engine 'orchestra'"),
        ({**CHORDS, "engine": "demucs"}, "/engine", "no generation engine 'demucs'"),
        ({**CHORDS, "model": "large"}, "/model", "no models to choose from"),
        ({**CHORDS, "engine": "toy", "bars": 100}, "/engine", "at most 60 seconds, this has 200.0"),
        ({"blob": "inbox/a.wav", "engine": "toy", "model": "small"}, "/model", "does not follow"),
        ({"blob": "inbox/a.wav", "engine": "stable_audio"}, "/engine", "does not follow"),
        ({**CHORDS, "balance_db": 40}, "/balance_db", "must be -24 to 12 dB"),
        ({**CHORDS, "tempo": 120}, "/tempo", "is not a field"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(services: Services, fields: dict[str, Any], pointer: str, detail: str) -> None:
    assert detail in errors(call(services, json=fields))[pointer]


def test_every_chord_that_is_none_is_named(services: Services) -> None:
    found = errors(call(services, json={"chords": ["C", "X", "G", "7#"], "tempo_bpm": 90}))
    assert [*found] == ["/chords/1", "/chords/3"]


def test_of_very_many_faults_the_first_are_named_and_the_rest_counted(services: Services) -> None:
    found = errors(call(services, json={"chords": ["X"] * 500, "tempo_bpm": 90}))
    assert len(found) == MOST_FAULTS + 1
    assert found["/chords"] == f"and {500 - MOST_FAULTS} more do not fit"


def test_weights_that_forbid_it_are_refused_for_commercial_use(services: Services) -> None:
    answer = call(services, json={**CHORDS, "engine": "musicgen", "use": "commercial"})
    assert answer.status_code == 403
    assert call(services, json={**CHORDS, "use": "commercial"}).status_code == 202


def test_a_rate_that_the_format_cannot_have_is_refused_before_anything_is_stored(services: Services) -> None:
    found = errors(send(services, encoded(np.ones((1, 999), np.float32), sample_rate=96000), format="mp3"))
    assert "mp3 cannot hold 96000 Hz" in found["/format"]


def test_the_same_key_is_the_same_job_and_another_request_is_refused(services: Services) -> None:
    headers = {"Idempotency-Key": "a"}
    first, second = (call(services, json={**CHORDS}, headers=headers) for _ in range(2))
    assert first.json()["job_id"] == second.json()["job_id"]
    assert call(services, json={**CHORDS, "bars": 9}, headers=headers).status_code == 422
