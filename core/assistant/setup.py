"""The assistant that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from core.assistant.client import ChatClient, Credentials
from core.assistant.service import Assistant, NoAnswer
from core.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_COMPLETIONS = "/chat/completions"
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_SCOPE = "https://cognitiveservices.azure.com/.default"


@cache
def assistant_of(settings: Settings) -> Assistant:
    """The assistant at ``ASSISTANT_ENDPOINT``; without one, it answers nothing and asks nobody."""
    if not settings.assistant_endpoint:
        return Assistant(None)
    url = _completions_url(settings.assistant_endpoint)
    credentials = _credentials(url.hostname or "", settings)
    return Assistant(ChatClient(url, settings.assistant_model, settings.assistant_timeout_seconds, credentials))


def _completions_url(endpoint: str) -> SplitResult:
    """Behind the endpoint's path and before its query, where older versions of Azure OpenAI have their version."""
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/").removesuffix(_COMPLETIONS) + _COMPLETIONS
    return parts._replace(path=path, fragment="")


def _credentials(host: str, settings: Settings) -> Credentials:
    """A key in the header that the host expects; Azure's own hosts without a key by identity; all others nothing."""
    key = settings.assistant_key
    azure = host.lower().endswith(_AZURE)
    if key:
        return lambda: {"api-key": key} if azure else {"authorization": f"Bearer {key}"}
    return partial(_by_identity, settings) if azure else dict


def _by_identity(settings: Settings) -> Mapping[str, str]:
    from azure.core.exceptions import AzureError

    try:
        token = _identity(settings).get_token(_SCOPE).token
    except AzureError as error:
        raise NoAnswer(
            "is not asked: this server has no identity to ask it with", type(error).__name__, sent=False
        ) from None
    return {"authorization": f"Bearer {token}"}


@cache
def _identity(settings: Settings) -> TokenCredential:
    """Kept, since it keeps its tokens until they run out."""
    from core.azure_identity import credential

    return credential(settings)
