"""`python -m local`: the host alone, the whole stack, or one request from start to finish."""

import argparse
import signal
import sys
from pathlib import Path

from local.azurite import AzuriteError
from local.functions import IndexingError
from local.settings import SettingsError
from local.stack import PROJECT, HostError


def main() -> int:
    arguments = parser().parse_args()
    try:
        return run_command(arguments)
    except (AzuriteError, HostError, IndexingError, SettingsError) as error:
        print(f"local: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("local: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"local: {error.strerror or error}: is the port or the folder in use?", file=sys.stderr)
    return 1


def run_command(arguments: argparse.Namespace) -> int:
    """Each command imports what it alone needs: the host starts in half the time without the others."""
    if arguments.command == "host":
        from local.host import run_host

        run_host(arguments.app_dir, arguments.port, arguments.grace_seconds, arguments.until_stdin_ends)
        return 0
    if arguments.command == "serve":
        from local.stack import serve

        return serve(arguments.port, arguments.storage_port, arguments.data, arguments.app_dir.resolve())
    from local.demo import run_demo

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of the `with` blocks, which end the processes
    return run_demo(arguments.out)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m local", description="Azurite and a local Azure Functions host.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    host = commands.add_parser("host", help="serve a function app; storage as AzureWebJobsStorage says")
    host.add_argument("--port", type=int, default=7071, help="port on 127.0.0.1; 0 takes a free one (default 7071)")
    host.add_argument(
        "--app-dir", type=Path, default=PROJECT, help="folder with function_app.py and host.json (default: the project)"
    )
    host.add_argument(
        "--grace-seconds",
        type=float,
        default=30.0,
        help="how long running functions may go on after Ctrl-C or SIGTERM (default 30)",
    )
    host.add_argument(
        "--until-stdin-ends", action="store_true", help="stop as on SIGTERM when standard input ends: for a parent"
    )
    serve = commands.add_parser("serve", help="keep Azurite and the host up, with data on disk")
    serve.add_argument("--port", type=int, default=7071, help="the API's port (default 7071)")
    serve.add_argument(
        "--storage-port",
        type=int,
        default=10000,
        help="port for blobs; queues and tables take the next two (default 10000)",
    )
    serve.add_argument("--data", type=Path, default=Path(".local"), help="where data and logs go (default .local)")
    serve.add_argument("--app-dir", type=Path, default=PROJECT, help="folder with function_app.py (default: project)")
    run = commands.add_parser("run", help="make one set of stems with a stack of its own, and end")
    run.add_argument("--out", type=Path, default=Path("out"), help="where the stems go (default out)")
    return top


if __name__ == "__main__":
    sys.exit(main())
