"""Who this process is in Azure, for every service that it reaches without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def credential(settings: Settings) -> TokenCredential:
    """The managed identity if the settings say so, else whatever azure-identity finds."""
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    client_id = settings.storage_client_id or None
    if settings.storage_credential == "managedidentity":
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential(managed_identity_client_id=client_id)
