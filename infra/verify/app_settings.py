"""App settings that every app in Azure must have, whichever its role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.verify.finding import Finding, judged, missing

EVERYWHERE = {
    "AzureWebJobsStorage__credential": "managedidentity",
    "PYTHON_ENABLE_INIT_INDEXING": "1",
    "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING": "true",  # the host parses it as a .NET boolean, to which 1 is none
}
"""Settings of both apps; ``infra.checks.promises`` looks for them in the Bicep files."""


def settings_findings(app: str, named: Mapping[str, str], own: Mapping[str, str]) -> Iterator[Finding]:
    """Whether ``named``, the settings of ``app``, hold what every role needs and what is its ``own``.

    Nothing that is secret is shown. A connection string would be a key of the account, of which ``azd`` leaves none.
    """
    for name, value in (dict(own) | EVERYWHERE).items():
        otherwise = "not set" if name not in named else "has another value"
        yield judged(named.get(name) == value, f"{app}: {name}", value, f"{otherwise}; it must be {value}")
    account = named.get("AzureWebJobsStorage__accountName", "")
    yield judged(bool(account), f"{app}: AzureWebJobsStorage__accountName", account, "not set: no storage, no work")
    if "AzureWebJobsStorage" in named:
        yield missing(f"{app}: no connection string", "AzureWebJobsStorage is set, and holds a key: take it out")
