"""The app under Microsoft's worker code, as a test sees it: this side plays the Functions host."""

import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from local.http import compile_route

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE_SETTINGS: dict[str, str] = json.loads((PROJECT / "local.settings.example.json").read_text())["Values"]
SECONDS = 60  # the longest wait for one answer
ENDED_SECONDS = 10  # for the end of an HTTP invocation, which comes before the answer's


class FunctionsRuntime:
    """One worker process of one role. Use as a context manager; it is loaded on entry."""

    def __init__(self, log_path: Path, **settings: str) -> None:
        self._log_path = log_path
        self._environ = os.environ | EXAMPLE_SETTINGS | settings
        self._answers: dict[str, Future[dict[str, Any]]] = {"loaded": Future()}

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.integration.functions_runtime_worker"]
        with self._log_path.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=PROJECT, env=self._environ, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            loaded = self._answers["loaded"].result(SECONDS)
        except BaseException:
            self._end()
            raise
        self.modules = {name.partition(".")[0] for name in loaded["modules"]}
        self.bindings: dict[str, list[dict[str, Any]]] = loaded["bindings"]
        # It listens a moment after it has said where.
        self._http = httpx.Client(
            base_url=loaded["http_uri"], timeout=SECONDS, transport=httpx.HTTPTransport(retries=5)
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._end()

    def trigger(self, function: str) -> dict[str, Any]:
        """The function's trigger binding."""
        return next(binding for binding in self.bindings[function] if binding["type"].endswith("Trigger"))

    def of_type(self, trigger_type: str) -> set[str]:
        """Names of the functions with such a trigger."""
        return {name for name in self.bindings if self.trigger(name)["type"] == trigger_type}

    def route(self, path: str) -> tuple[str, dict[str, str]]:
        """The one function that the host would call for ``path``, and the parameters of its route."""
        patterns = {name: compile_route(self.trigger(name)["route"], name) for name in self.of_type("httpTrigger")}
        found = {name: match for name in patterns if (match := patterns[name].fullmatch(path.strip("/")))}
        assert len(found) == 1, f"{path} is answered by {sorted(found) or 'no function'}"
        [(name, match)] = found.items()
        return name, {key: value for key, value in match.groupdict().items() if value is not None}

    def invoke(self, invocation_id: str, function: str, kind: str, value: Any, metadata: dict[str, Any]) -> Future[Any]:
        """Begin one invocation; its result is ``{"error": …}``."""
        order = {"id": invocation_id, "function": function, "data": (kind, value), "metadata": metadata}
        answer = self._answers[invocation_id] = Future()
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return answer

    def run(self, function: str, kind: str, value: Any, **metadata: Any) -> None:
        """Invoke and wait; fails with the function's traceback."""
        error = self.invoke(str(uuid.uuid4()), function, kind, value, metadata).result(SECONDS)["error"]
        assert error is None, error

    @contextmanager
    def stream(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        """Send an HTTP request as the host does: its parameters with the invocation, itself to the HTTP server."""
        function, parameters = self.route(path.partition("?")[0])
        invocation_id = str(uuid.uuid4())
        invocation = self.invoke(invocation_id, function, "http", parameters, {})
        headers = {"x-ms-invocation-id": invocation_id}
        with self._http.stream(method, path, headers=headers, **request) as answer:
            yield answer
        error = invocation.result(ENDED_SECONDS)["error"]
        assert error is None, error

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        with self.stream(method, path, **request) as answer:
            answer.read()
        return answer

    def _listen(self) -> None:
        for line in self._process.stdout:
            answer = json.loads(line)
            self._answers[answer.pop("id")].set_result(answer)
        for waiting in list(self._answers.values()):
            if not waiting.done():
                waiting.set_exception(RuntimeError(f"the worker ended:\n{self._log_path.read_text()[-4000:]}"))

    def _end(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._process.stdout.close()


def settings_named(text: str) -> set[str]:
    """The settings that ``%NAME%`` stands for in a binding or in host.json."""
    return set(re.findall(r"%([^%\s]+)%", text))


def overlap(one: str, other: str) -> bool:
    """Whether some path fits both route templates."""
    left, right = one.lower().split("/"), other.lower().split("/")
    for a, b in zip(left, right, strict=False):
        if a.startswith("{*") or b.startswith("{*"):
            return True
        if not a.startswith("{") and not b.startswith("{") and a != b:
            return False
    rest = left[len(right) :] or right[len(left) :]
    return all(part.startswith("{*") or part.endswith("?}") for part in rest)
