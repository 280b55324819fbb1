"""Every error of the product, named after the stage that failed.

StemworksError
├── RequestError                 the caller can mend it
│   ├── InvalidRequest           fields that do not fit, each with a pointer
│   ├── JobNotFound
│   ├── FileNotFound
│   ├── FilesExpired             the job is there, its files are past their time
│   ├── JobConflict              the id is taken by a job with another body
│   ├── JobStateConflict         not possible in the state the job is in
│   ├── IdempotencyMismatch      the key came with another body before
│   ├── IdempotencyInFlight      the first request with this key is still running
│   ├── LicenceRefused           the engine's weights forbid the stated use
│   ├── Unauthorized
│   │   └── EventNotVerified     it does not come from Web PubSub, or nothing says that it does
│   ├── DeliveryNotFound
│   ├── DeadLetterNotFound
│   ├── SourceNotFound           the blob that was named is not there
│   ├── SourceChanged            the file is no longer the one that was accepted
│   ├── UploadNotFound
│   ├── SoundNotFound            never made, deleted, or past its time
│   ├── BatchNotFound
│   ├── UploadIncomplete         fewer bytes than announced, or other ones
│   └── AudioError               the file cannot be worked on
│       ├── NotAudio             holds no audio, whatever its name says
│       ├── MislabeledAudio      holds another format than its name says
│       ├── UnsupportedAudio     a format, rate or number of channels that is not taken
│       ├── EmptyAudio
│       ├── SilentAudio          not a sample of it is above silence
│       ├── AudioTooShort        it ends before what is asked of it does
│       ├── NoBeatFound          there is nothing in it to play to
│       ├── AudioTooLong
│       └── DamagedAudio         truncated, or does not decode
├── StorageError
│   ├── StorageUnavailable       down, slow or refusing; worth another try
│   ├── RowNotFound
│   ├── RowExists
│   ├── RowChanged               somebody wrote the row since it was read
│   ├── BlobNotFound
│   ├── BlobChanged              somebody wrote the blob since it was looked at
│   └── WorkLost                 another attempt removed what this one was working with
├── ChannelError                 the service that carries WebSockets
│   ├── ChannelUnavailable       none is set up, or it does not answer
│   └── UpgradeRequired          a WebSocket is opened here, and nothing else
├── EngineError
│   ├── EngineUnavailable        cannot be loaded: missing package, weights or device
│   │   ├── ModelNotFound        the engine knows no model of this name, or has no weights for it
│   │   ├── ChecksumMismatch     the weights are not the ones that were pinned
│   │   │   └── WeightsNotPinned they come from elsewhere, and nobody vouched for them
│   │   ├── WeightsMismatch      they belong to a model of another shape
│   │   └── HubUnavailable       where weights are published does not answer; worth another try
│   └── EngineFailed             broke while it made sound
│       └── NotFinite            made samples, or odds, that are no numbers: another attempt would, too
├── AttemptStopped               not a failure of the work: it was told to stop
│   ├── CancelRequested
│   ├── LeaseLost                another attempt, or nobody, owns the job now
│   │   └── JobGone              it was deleted
│   ├── DeadlineExceeded
│   ├── TimeUsedUp               the same, for work that the next attempt goes on with
│   └── MadeElsewhere            another job is making the very same; this one comes back for it
├── AttemptsExhausted            every attempt ended without a word
├── MessageFailed                the job's message went to the poison queue
└── CallbackError
    ├── AddressRefused           not a public https address
    └── AddressUnknown           its host cannot be resolved

``type`` is stable and part of the API, ``title`` says what happened, ``next_step`` what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class StemworksError(Exception):
    """Something went wrong."""

    type: ClassVar[str] = "internal-error"
    next_step: ClassVar[str] = "Try again; if it stays, the log of the host names the cause."
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.title
        super().__init__(self.detail)

    @property
    def title(self) -> str:
        """The first line of the class's docstring, without its full stop."""
        return (type(self).__doc__ or "").strip().splitlines()[0].rstrip(".")


# The caller can mend it


class RequestError(StemworksError):
    """The request cannot be carried out."""

    type = "request-error"


@dataclass(frozen=True)
class FieldError:
    """One field that does not fit.

    Attributes:
        pointer: a JSON pointer (RFC 6901) into the body, or the name of a header or query parameter.
        detail: what is wrong and what is allowed.
        location: ``body``, ``query``, ``path`` or ``header``.
    """

    pointer: str
    detail: str
    location: str = "body"


class InvalidRequest(RequestError):
    """The request does not fit."""

    type = "invalid-request"
    next_step = "Correct the fields listed under errors."

    def __init__(self, errors: list[FieldError], detail: str | None = None) -> None:
        super().__init__(detail or "; ".join(f"{error.pointer or 'the body'}: {error.detail}" for error in errors))
        self.errors = errors


class JobNotFound(RequestError):
    """There is no such job."""

    type = "job-not-found"
    next_step = "Check the id; GET /v1/jobs lists the jobs there are."


class FileNotFound(RequestError):
    """The job has no such file."""

    type = "file-not-found"
    next_step = "The job's outputs list the files it has."


class FilesExpired(RequestError):
    """The job's files have expired."""

    type = "files-expired"
    next_step = "Submit the request again; expires_in_seconds keeps the files longer."


class JobConflict(RequestError):
    """The id belongs to another request."""

    type = "job-conflict"
    next_step = "Use a new id for a new request, or repeat the first body to get the first job."


class JobStateConflict(RequestError):
    """The job's state does not allow this."""

    type = "job-state-conflict"
    next_step = "Look at the job's status first."


class IdempotencyMismatch(RequestError):
    """The Idempotency-Key was used with another body."""

    type = "idempotency-mismatch"
    next_step = "Use a new key for a new request."


class IdempotencyInFlight(RequestError):
    """The first request with this Idempotency-Key is still being answered."""

    type = "idempotency-in-flight"
    next_step = "Wait a second and send it again."
    retryable = True


class LicenceRefused(RequestError):
    """The engine's weights forbid this use."""

    type = "licence-refused"
    next_step = "Choose another engine, or leave out use if the result is not for a commercial purpose."


class Unauthorized(RequestError):
    """The API key is missing or wrong."""

    type = "unauthorized"
    next_step = "Send one of the keys of API_KEYS as 'Authorization: Bearer <key>'."


class EventNotVerified(Unauthorized):
    """Nothing shows that the event comes from Web PubSub."""

    type = "event-not-verified"
    next_step = "Only Web PubSub calls this address; docs/architecture/21-live.md says how it is set up."


class DeliveryNotFound(RequestError):
    """The job has no such delivery."""

    type = "delivery-not-found"
    next_step = "GET /v1/jobs/{job_id}/deliveries lists them."


class DeadLetterNotFound(RequestError):
    """There is no such dead letter."""

    type = "dead-letter-not-found"
    next_step = "GET /v1/dead-letters lists them."


class SourceNotFound(RequestError):
    """There is no such file in storage."""

    type = "source-not-found"
    next_step = "Name a blob as container/name, in a container that SOURCE_CONTAINERS allows."


class SourceChanged(RequestError):
    """The file changed since the job was accepted."""

    type = "source-changed"
    next_step = "Send it once more, and leave it alone until its job has ended; an upload is started anew."


class UploadNotFound(RequestError):
    """There is no such upload."""

    type = "upload-not-found"
    next_step = "POST /v1/uploads starts one; it is kept for a limited time (expires_at)."


class SoundNotFound(RequestError):
    """There is no such sound."""

    type = "sound-not-found"
    next_step = "POST /v1/sounds/search finds those there are; POST /v1/sounds/generate makes one."


class BatchNotFound(RequestError):
    """There is no such batch of sounds."""

    type = "batch-not-found"
    next_step = "POST /v1/sounds/batch starts one and answers with its batch_id."


class UploadIncomplete(RequestError):
    """The upload is not what was announced."""

    type = "upload-incomplete"
    next_step = "Send the missing or wrong blocks again, commit them, and complete it again."


class AudioError(RequestError):
    """The audio cannot be used."""

    type = "audio-error"


class NotAudio(AudioError):
    """The file holds no audio."""

    type = "not-audio"
    next_step = "Send a wav, flac, mp3, m4a, aac, ogg or opus file."


class MislabeledAudio(AudioError):
    """The file is not what its name says."""

    type = "mislabeled-audio"
    next_step = "Send it under the extension of what it holds (an upload is started anew), or convert it."


class UnsupportedAudio(AudioError):
    """The audio has a form that is not taken."""

    type = "unsupported-audio"
    next_step = "Convert it to mono or stereo at 8 to 192 kHz, as wav, flac, mp3, m4a, aac, ogg or opus."


class EmptyAudio(AudioError):
    """The audio has no length."""

    type = "empty-audio"
    next_step = "Send a file that holds at least one sample."


class SilentAudio(AudioError):
    """The audio is silent."""

    type = "silent-audio"
    next_step = "Send audio that can be heard, or choose another part of it."


class AudioTooShort(AudioError):
    """The audio ends too early."""

    type = "audio-too-short"
    next_step = "Send longer audio, or let what is asked of it end earlier."


class NoBeatFound(AudioError):
    """Nothing in it can be played to."""

    type = "no-beat-found"
    next_step = "Send music with a steady beat, or send chords with tempo_bpm instead."


class AudioTooLong(AudioError):
    """The audio is longer than allowed."""

    type = "audio-too-long"
    next_step = "Cut it into pieces, or raise LONGEST_SOURCE_SECONDS."


class DamagedAudio(AudioError):
    """The audio is damaged."""

    type = "damaged-audio"
    next_step = "Send the file again, or export it anew: it is truncated or does not decode."


# Storage


class StorageError(StemworksError):
    """Storage refused."""

    type = "storage-error"


class StorageUnavailable(StorageError):
    """Storage does not answer."""

    type = "storage-unavailable"
    next_step = "Try again after the time in Retry-After."
    retryable = True


class RowNotFound(StorageError):
    """There is no such row."""


class RowExists(StorageError):
    """The row exists already."""


class RowChanged(StorageError):
    """The row was changed by somebody else since it was read."""

    retryable = True


class BlobNotFound(StorageError):
    """There is no such blob."""


class BlobChanged(StorageError):
    """The blob was changed by somebody else since it was looked at."""


class WorkLost(StorageError):
    """Another attempt removed what this one was working with."""

    retryable = True


# WebSockets


class ChannelError(StemworksError):
    """The channel to the clients cannot be used."""

    type = "channel-error"


class ChannelUnavailable(ChannelError):
    """There is no channel to the clients now."""

    type = "channel-unavailable"
    next_step = "Set WEB_PUBSUB_CONNECTION or WEB_PUBSUB_ENDPOINT; if one is set, try again in a moment."
    retryable = True


class UpgradeRequired(ChannelError):
    """This address takes WebSockets alone."""

    type = "upgrade-required"
    next_step = "Open a WebSocket here; where the host carries none, as in Azure, ask GET /v1/live/negotiate for one."


# Engines


class EngineError(StemworksError):
    """The engine failed."""

    type = "engine-error"


class EngineUnavailable(EngineError):
    """The engine cannot be loaded."""

    type = "engine-unavailable"
    next_step = "Choose another engine, or do what the detail says."


class ModelNotFound(EngineUnavailable):
    """The engine has no such model here."""

    type = "model-not-found"
    next_step = "Choose one of the models that the detail names, or put the weights where it says."


class ChecksumMismatch(EngineUnavailable):
    """The weights are not the ones that were pinned."""

    type = "checksum-mismatch"
    next_step = "Fetch the weights again; if they were changed on purpose, pin the new checksum (MODEL_CHECKSUMS)."


class WeightsNotPinned(ChecksumMismatch):
    """Nobody vouched for the weights."""

    type = "weights-not-pinned"
    next_step = "Add the pin that the detail names to MODEL_CHECKSUMS."


class WeightsMismatch(EngineUnavailable):
    """The weights belong to another model."""

    type = "weights-mismatch"
    next_step = "The detail says what differs; put a checkpoint of this shape in its place, or name another model."


class HubUnavailable(EngineUnavailable):
    """The hub of the weights does not answer."""

    type = "hub-unavailable"
    next_step = "Retry the job when it does, or put the weights into MODEL_DIR."
    retryable = True


class EngineFailed(EngineError):
    """The engine broke while it worked."""

    type = "engine-failed"
    next_step = "Retry the job; another seed or shorter duration may help."
    retryable = True


class NotFinite(EngineFailed):
    """The engine computed something that is not a number."""

    type = "not-finite"
    next_step = "With a model, TORCH_PRECISION=float32 may help; otherwise its weights, or the audio, are damaged."
    retryable = False


# Told to stop


class AttemptStopped(StemworksError):
    """The attempt was told to stop."""


class CancelRequested(AttemptStopped):
    """The job was canceled."""

    type = "canceled"


class LeaseLost(AttemptStopped):
    """Another attempt owns the job now."""

    type = "lease-lost"


class JobGone(LeaseLost):
    """The job was deleted."""


class DeadlineExceeded(AttemptStopped):
    """The job took longer than it may."""

    type = "deadline-exceeded"
    next_step = "Ask for less audio in one job, or raise JOB_DEADLINE_SECONDS."


class TimeUsedUp(AttemptStopped):
    """The attempt used up its time."""

    type = "time-used-up"
    next_step = "Nothing: the next attempt goes on where this one stopped."
    retryable = True


class MadeElsewhere(AttemptStopped):
    """Another job is making the same sound."""

    type = "made-elsewhere"
    next_step = "Nothing: once the other job has made it, this one takes it over."
    retryable = True


# Jobs that end without their worker's word


class AttemptsExhausted(StemworksError):
    """Every attempt ended without a result."""

    type = "attempts-exhausted"
    next_step = "Retry the job; if it fails again, the log of the worker names the cause."


class MessageFailed(StemworksError):
    """The job's message failed too often."""

    type = "message-failed"
    next_step = "The log of the worker names the cause; retry the job once it is mended."


# Callbacks


class CallbackError(StemworksError):
    """The callback cannot be delivered."""

    type = "callback-error"


class AddressRefused(CallbackError):
    """The address may not be called."""

    type = "address-refused"
    next_step = "Use an https URL of a public host; development settings may allow others (ALLOW_PRIVATE_CALLBACKS)."


class AddressUnknown(CallbackError):
    """The host's name cannot be resolved."""

    type = "address-unknown"
    next_step = "Check the host's name in the URL."
    retryable = True
