"""``python -m bench.ways.serve MODULE``: serve ``MODULE.app``, print the address, end with the parent."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import threading

import uvicorn


def main() -> None:
    """Serve on a free port of 127.0.0.1 until standard input ends."""
    app = importlib.import_module(sys.argv[1]).app
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, answers take 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        print("http://{}:{}".format(*listening.getsockname()), flush=True)
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
