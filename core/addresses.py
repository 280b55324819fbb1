"""Addresses of services, as settings name them: checked when they are read, so that a wrong one stops the start."""

from __future__ import annotations

from urllib.parse import urlsplit


def http_address(text: str) -> str:
    """``text`` without the space around it, if it is empty or an address without a password; else ``ValueError``."""
    text = text.strip()
    if text and not _is_http_address(text):
        raise ValueError("must be an address such as https://api.example.org/v1")
    return text


def service_connection(text: str) -> str:
    """``text``, if it is empty or names an endpoint and an access key; else ``ValueError``."""
    parts = connection_parts(text)
    if text and not (_is_http_address(parts.get("endpoint", "")) and parts.get("accesskey")):
        raise ValueError("must say Endpoint=https://…;AccessKey=…;Version=1.0;")
    return text


def connection_parts(text: str) -> dict[str, str]:
    """The parts of a connection string by their names in small letters."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _is_http_address(text: str) -> bool:
    if not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        return False
