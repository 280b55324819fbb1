"""``python -m infra.verify URL``: look whether an installation is as it should be, line by line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from infra.verify.cloud import cloud
from infra.verify.end_to_end import end_to_end
from infra.verify.finding import Finding, State, as_json, summary, unseen
from infra.verify.service import Service
from infra.verify.wake import wake


def main(arguments: list[str] | None = None) -> int:
    """Print what is found while it is found; the status is 1 if anything is missing."""
    options = parser().parse_args(arguments)
    found: list[Finding] = []
    for finding in findings(options):
        found.append(finding)
        if not options.json:
            print(finding, flush=True)
    counts = summary(found)
    print(as_json(options.url, found) if options.json else ", ".join(f"{counts[state]} {state}" for state in State))
    return 1 if counts[State.MISSING] else 0


def findings(options: argparse.Namespace) -> Iterator[Finding]:
    """Plain requests, then whole jobs if those were answered, then Azure."""
    service = Service(options.url, options.api_key, options.origin)
    yield from service.findings()
    if service.reached:
        yield from end_to_end(options.url, options.api_key, quick=options.quick)
        yield wake(service.http) if options.gpu else unseen("GPU wakes up", "--gpu sends a job that needs one")
    yield from cloud(options.resource_group, options.subscription)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.verify",
        description="Look whether an installation is as it should be. It works on a few short jobs of its own there. "
        "The exit status is 1 if anything is missing.",
    )
    parser.add_argument("url", type=_base_url, metavar="URL", help="such as https://music.example.org")
    parser.add_argument(
        "--api-key",
        default=os.environ.get("STEMWORKS_API_KEY"),
        help="one of API_KEYS; better by the environment, as STEMWORKS_API_KEY",
    )
    parser.add_argument("--origin", help="a web page that CORS must let in, such as https://app.example.org")
    parser.add_argument("--resource-group", "-g", help="where the resources are in Azure; az must be signed in")
    parser.add_argument("--subscription", help="id of their subscription (default: the one that az uses)")
    parser.add_argument("--quick", action="store_true", help="one job instead of all end-to-end tests")
    parser.add_argument("--gpu", action="store_true", help="send a job that needs a GPU, and wait until one takes it")
    parser.add_argument("--json", action="store_true", help="one JSON document at the end instead of lines")
    return parser


def _base_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text} does not begin with https://")
    try:
        parts = urlsplit(text)
        whole = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment or " " in text)
    except ValueError:
        whole = False
    if not whole:
        raise argparse.ArgumentTypeError(f"{text} is no address such as https://music.example.org")
    return text.rstrip("/")


if __name__ == "__main__":
    sys.exit(main())
