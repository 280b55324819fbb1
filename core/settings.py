"""The settings, read once from the environment: see ``docs/configuration.md``."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.addresses import http_address, service_connection
from core.validation import words

DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"

# Standard Webhooks' schedule: seconds from one try to the next.
_RETRY_SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


def _secrets(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            decoded = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            decoded = b""
        if not value.startswith("whsec_") or not decoded:
            raise ValueError("each must be whsec_ followed by base64, such as: whsec_$(openssl rand -base64 32)")
    return values


def _header_value(value: str) -> str:
    value = value.strip()
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be printable ASCII characters")
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Address = Annotated[str, AfterValidator(http_address)]
Seconds = Annotated[tuple[float, ...], BeforeValidator(words)]


class Settings(BaseModel):
    """Everything that can be set; each field is the environment variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)  # secrets among them

    stemworks_role: Literal["all", "http", "gpu"] = Field(
        "all", description="Which functions this process runs: http, gpu, or all on one machine"
    )
    storage_connection: str = Field(
        "", alias="AzureWebJobsStorage", description="Connection string of the storage account, or the next ones"
    )
    storage_account: str = Field(
        "", alias="AzureWebJobsStorage__accountName", description="Account reached by identity, without any key"
    )
    storage_credential: str = Field(
        "", alias="AzureWebJobsStorage__credential", description="managedidentity; else whatever azure-identity finds"
    )
    storage_client_id: str = Field(
        "", alias="AzureWebJobsStorage__clientId", description="Client id of a user-assigned identity"
    )
    api_keys: Words = Field((), description="Keys that callers must present, separated by spaces; empty lets all in")
    cors_origins: Words = Field(
        (), description="Web pages that may call the API from a browser, such as https://app.example.org; * for any"
    )
    default_generation_engine: str = Field("synth", description="Engine of a request that names none")
    default_sound_engine: str = Field("plucked_string", description="Engine of a sound that names none")
    default_bridge_engine: str = Field("morph", description="Engine of a bridge that names none")
    webhook_secrets: Annotated[Words, AfterValidator(_secrets)] = Field(
        (), description="whsec_… secrets that sign callbacks, the newest first; several while rotating"
    )
    allow_private_callbacks: bool = Field(
        False, description="Let callbacks go to http and to private addresses; for development only"
    )
    callback_timeout_seconds: float = Field(20, gt=0, le=60, description="Longest that one delivery may take")
    callback_retry_seconds: Seconds = Field(
        _RETRY_SCHEDULE, description="Seconds between tries of a delivery that failed"
    )
    retention_seconds: int = Field(7 * 86400, gt=0, description="How long a job's files are kept once it has ended")
    longest_retention_seconds: int = Field(90 * 86400, gt=0, description="The most that a request may ask for")
    job_deadline_seconds: float = Field(3000, gt=0, description="Longest attempt; below host.json's functionTimeout")
    job_lease_seconds: float = Field(60, gt=0, description="How long a silent worker keeps its job")
    job_attempts: int = Field(5, ge=1, description="Attempts before a job is given up")
    resend_after_seconds: float = Field(
        120, gt=0, description="When a queued job that nobody picked up is sent again; doubles each time"
    )
    progress_interval_seconds: float = Field(1, gt=0, description="Shortest time between two writes of progress")
    max_body_bytes: int = Field(1_048_576, gt=0, description="Largest JSON body")
    default_separation_engine: str = Field("spectral", description="Engine of a separation that names none")
    max_file_bytes: int = Field(
        104_000_000, gt=0, description="Largest multipart body; the Functions host takes 104,857,600 bytes at most"
    )
    max_upload_bytes: int = Field(5 * 2**30, gt=0, description="Largest direct upload to storage")
    upload_seconds: int = Field(
        86400, ge=60, le=6 * 86400, description="How long the address of a direct upload takes writes"
    )
    longest_source_seconds: float = Field(4 * 3600, gt=0, description="Longest audio that is taken in")
    source_containers: Words = Field(
        ("inbox", "uploads", "audio-files", "samples"), description="Containers whose blobs a request may name"
    )
    inbox_source: Literal["EventGrid", "LogsAndContainerScan"] = Field(
        "LogsAndContainerScan", description="How files in the inbox are noticed; Flex Consumption knows EventGrid alone"
    )
    public_url: str = Field("", description="Where clients reach the API; put before links written to storage")
    web_pubsub_connection: Annotated[str, AfterValidator(service_connection)] = Field(
        "", description="Connection string of Azure Web PubSub, for live chords and job progress; or the next one"
    )
    web_pubsub_endpoint: Address = Field(
        "", description="Web PubSub reached by identity: https://….webpubsub.azure.com"
    )
    web_pubsub_hub: str = Field(
        "stemworks",
        pattern="^[A-Za-z][A-Za-z0-9_]*$",
        max_length=128,
        description="The hub of live chords and job progress",
    )
    web_pubsub_tenant: str = Field(
        "", description="By identity: the Microsoft Entra tenant that vouches for the service's events"
    )
    web_pubsub_audience: str = Field("", description="By identity: the audience that the event handler was given")
    web_pubsub_identity: str = Field("", description="By identity: object id of the service's own managed identity")
    assistant_endpoint: Address = Field(
        "",
        description="OpenAI-compatible service that suggestions, songs and questions may ask; empty asks nobody",
    )
    assistant_key: Annotated[str, AfterValidator(_header_value)] = Field(
        "", description="Its key; without one, Azure OpenAI is reached by identity"
    )
    assistant_model: str = Field("", description="Which of its models, or deployments, to ask")
    assistant_timeout_seconds: float = Field(10, gt=0, le=60, description="Longest that it may take to answer")
    model_dir: str = Field("", description="Folder of the models' weights; the container models is asked after it")
    model_checksums: Words = Field(
        (), description="Pinned weights, each as file=sha256; weights from storage must be pinned"
    )
    torch_device: str = Field("auto", description="auto, cpu, cuda or cuda:1; auto takes a GPU where there is one")
    torch_precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto",
        description="What models compute in; auto is float16 on a GPU, else float32; int8 is for musicgen on a CPU",
    )
    model_memory_bytes: int = Field(
        0, ge=0, description="The most that warm models may hold together; 0 is half of what the device has"
    )
    batch_memory_bytes: int = Field(
        0, ge=0, description="The most that stems sampled at the same time may hold; 0 is a quarter of the device's"
    )

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings from ``environ``; a value that does not fit is a ``ValueError`` that names it."""
        names = {field.alias or name.upper(): field.alias or name for name, field in cls.model_fields.items()}
        try:
            return cls.model_validate({names[key]: value for key, value in environ.items() if key in names})
        except ValidationError as error:
            first = error.errors()[0]
            fault = first["msg"].removeprefix("Value error, ")
            raise ValueError(f"setting {str(first['loc'][0]).upper()}: {fault}") from error


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.read(os.environ)
