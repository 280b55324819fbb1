"""Settings, requests and what is derived from them."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.bootstrap import azure_storage, build, memory_storage
from core.errors import InvalidRequest, LicenceRefused
from core.generation.request import GenerationRequest, SeedGenerationRequest
from core.generation.stems import stem_requests
from core.ports import EngineInfo, GenerationEngine, ModelInfo
from core.settings import Settings
from core.storage.azure_account import connection_string, endpoint
from core.validation import fingerprint
from tests.clock import Clock


def test_settings_come_from_the_environment() -> None:
    settings = Settings.read(
        {"AzureWebJobsStorage": "x", "STEMWORKS_ROLE": "gpu", "API_KEYS": "a b,c", "CALLBACK_RETRY_SECONDS": "1, 2.5"}
    )
    assert (settings.storage_connection, settings.stemworks_role) == ("x", "gpu")
    assert (settings.api_keys, settings.callback_retry_seconds) == (("a", "b", "c"), (1.0, 2.5))


def test_a_setting_that_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="STEMWORKS_ROLE"):
        Settings.read({"STEMWORKS_ROLE": "boss"})
    with pytest.raises(ValueError, match="JOB_LEASE_SECONDS"):
        Settings.read({"JOB_LEASE_SECONDS": "soon"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEB_PUBSUB_CONNECTION", "s3cret"),
        ("WEB_PUBSUB_CONNECTION", "Endpoint=example.org;AccessKey=s3cret;"),
        ("WEB_PUBSUB_CONNECTION", "Endpoint=https://example.org;s3cret;"),
        ("WEB_PUBSUB_ENDPOINT", "music.webpubsub.azure.com"),
        ("WEB_PUBSUB_HUB", "a/b"),
        ("ASSISTANT_ENDPOINT", "https://me:s3cret@example.org"),
        ("ASSISTANT_KEY", "s3cret\nX-Header: 1"),
        ("WEBHOOK_SECRETS", "s3cret"),
    ],
)
def test_what_no_service_can_be_reached_with_stops_the_start_by_its_name_and_stays_secret(
    name: str, value: str
) -> None:
    with pytest.raises(ValueError, match=f"^setting {name}: ") as refused:
        Settings.read({name: value})
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


def test_addresses_come_without_the_space_around_them() -> None:
    assert (
        Settings.read({"ASSISTANT_ENDPOINT": " https://example.org/v1\n"}).assistant_endpoint
        == "https://example.org/v1"
    )


def test_a_job_ends_before_the_host_would_end_it() -> None:
    hours, minutes, seconds = map(int, json.loads(Path("host.json").read_text())["functionTimeout"].split(":"))
    settings = Settings.read({})
    assert settings.job_deadline_seconds + settings.job_lease_seconds < hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize("secret", ["plain", "whsec_", "whsec_!!!", "whsec_bmV3 whsec_"])
def test_a_secret_that_cannot_sign_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ValueError, match="WEBHOOK_SECRETS"):
        Settings.read({"WEBHOOK_SECRETS": secret})


def test_private_callbacks_are_refused_unless_a_setting_allows_them() -> None:
    assert Settings.read({}).allow_private_callbacks is False
    example = json.loads(Path("local.settings.example.json").read_text())["Values"]
    assert Settings.read(example).allow_private_callbacks is True


def test_storage_is_reached_by_connection_string_or_by_identity() -> None:
    development = connection_string(Settings.read({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}))
    assert development is not None and "127.0.0.1:10000/devstoreaccount1" in development
    identity = Settings.read({"AzureWebJobsStorage__accountName": "songs"})
    assert connection_string(identity) is None
    assert endpoint(identity, "table") == "https://songs.table.core.windows.net"
    with pytest.raises(ValueError, match="AzureWebJobsStorage__accountName"):
        connection_string(Settings.read({}))


@pytest.mark.parametrize("credential", ["", "managedidentity"])
def test_an_account_reached_by_identity_needs_no_key(credential: str) -> None:
    settings = {"AzureWebJobsStorage__accountName": "songs", "AzureWebJobsStorage__credential": credential}
    storage = azure_storage(Settings.read(settings))  # asks nobody for a token yet
    assert storage.blobs.url("audio-files", "a/b.wav") == "https://songs.blob.core.windows.net/audio-files/a/b.wav"


def test_a_fingerprint_sees_the_request_and_not_its_spelling() -> None:
    plain = GenerationRequest.model_validate({"target_stems": ["bass"]})
    spelled = GenerationRequest.model_validate({"parameters": {"target_bpm": "120"}, "target_stems": ["bass"]})
    other = GenerationRequest.model_validate({"target_stems": ["bass"], "parameters": {"target_bpm": 121}})
    assert fingerprint(plain) == fingerprint(spelled) != fingerprint(other)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a b", "ä", "a" * 129, "a\n"])
def test_ids_that_are_not_safe_in_a_path_are_refused(name: str) -> None:
    body = {"generation_request_id": name, "audio_file_id": "a", "target_stems": ["bass"]}
    with pytest.raises(ValidationError):
        SeedGenerationRequest.model_validate(body)


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValidationError):
        GenerationRequest.model_validate_json('{"target_stems": ["bass"], "parameters": {"target_bpm": NaN}}')


def test_a_seed_is_drawn_once_and_kept() -> None:
    services = build(Settings.read({}), memory_storage(), clock=Clock())
    request = GenerationRequest(target_stems=("bass", "drums"))
    job = services.generations.planner.plan(request, job_id="a")
    assert job.request["parameters"]["random_seed"] is not None
    assert {stem.seed for stem in stem_requests(job)} == {job.request["parameters"]["random_seed"]}
    assert stem_requests(job)[0].description.startswith("isolated bass")


class ResearchEngines:
    """A catalogue with one engine whose weights are for research alone."""

    def catalogue(self) -> list[EngineInfo]:
        return [
            EngineInfo(
                name="toy",
                version="1",
                tasks=("generation",),
                hardware="gpu",
                licence="MIT",
                models=(
                    ModelInfo(
                        name="small",
                        loader="numpy",
                        sample_rate=32000,
                        channels=1,
                        longest_seconds=30,
                        stems=("drums",),
                        commercial_use=False,
                        weights="toy-small",
                        weights_licence="CC-BY-NC 4.0",
                    ),
                ),
            )
        ]

    def loaded(self) -> dict[str, dict[str, str | None]]:
        return {"musicgen": {"small": None}}

    def gpu_available(self) -> bool:
        return True

    def generation(self, name: str) -> GenerationEngine:
        raise NotImplementedError


def test_an_engines_licence_hardware_and_length_are_minded() -> None:
    services = build(Settings.read({}), memory_storage(), clock=Clock(), engines=ResearchEngines())

    def plan(**fields: object) -> str:
        body = {"target_stems": ["bass"], "engine": "toy", "parameters": {"duration_seconds": 10}} | fields
        return services.generations.planner.plan(GenerationRequest.model_validate(body), job_id="a").queue

    assert plan(use="research") == "generation-requests"
    with pytest.raises(LicenceRefused, match="CC-BY-NC"):
        plan(use="commercial")
    with pytest.raises(InvalidRequest, match="at most 30 seconds"):
        plan(parameters={"duration_seconds": 31})
    with pytest.raises(InvalidRequest, match="there is toy"):
        plan(engine="synth")
