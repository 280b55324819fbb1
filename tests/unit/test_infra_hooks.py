"""The hooks that azd runs, with programs in the place of azd, az and curl that note how they are called."""

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest

from core.settings import Settings
from infra.checks.names import ROOT

AZD = """#!/bin/sh
case "$1 $2" in
"env get-value") [ -f "$ENVIRONMENT/$3" ] && cat "$ENVIRONMENT/$3" || { echo "ERROR: no $3"; exit 1; } ;;
"env set") printf %s "$4" >"$ENVIRONMENT/$3" ;;
esac
"""
NOTES = """#!/bin/sh
echo "$@" >>"$ENVIRONMENT/.calls-of-{name}"
[ "$(wc -l <"$ENVIRONMENT/.calls-of-{name}")" -gt {failures} ]
"""


class Hooks:
    """Runs a hook over an environment of azd that is a folder: a file for each value."""

    def __init__(self, folder: Path) -> None:
        self.environment = folder / "environment"
        self.environment.mkdir()
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.program("azd", AZD)

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def notes(self, name: str, failures: int = 0) -> None:
        """A program that fails so many times and notes every call."""
        self.program(name, NOTES.format(name=name, failures=failures))

    def run(self, hook: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}", "PAUSE_SECONDS": "0"}
        return subprocess.run(
            ["sh", str(ROOT / "infra/hooks" / hook)], env=environ | {"ENVIRONMENT": str(self.environment)},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def values(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.environment.iterdir() if not path.name.startswith(".")}

    def calls(self, name: str) -> list[str]:
        path = self.environment / f".calls-of-{name}"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    return Hooks(tmp_path)


class TestPreprovision:
    def test_secrets_are_drawn_that_the_app_takes(self, hooks: Hooks) -> None:
        assert hooks.run("preprovision.sh").returncode == 0
        values = hooks.values()
        read = Settings.read({name: values[name] for name in ("API_KEYS", "WEBHOOK_SECRETS")})
        assert len(base64.b64decode(read.webhook_secrets[0].removeprefix("whsec_"))) == 32
        assert re.fullmatch("[0-9a-f]{64}", read.api_keys[0])
        assert "BUDGET_START" not in values

    def test_a_budget_begins_in_the_month_in_which_it_is_first_asked_for(self, hooks: Hooks) -> None:
        """Azure takes no budget that began in an earlier month, and none that begins anew."""
        hooks.run("preprovision.sh")
        (hooks.environment / "ALERT_MAIL").write_text("you@example.org")
        assert hooks.run("preprovision.sh").returncode == 0
        assert re.fullmatch(r"\d{4}-\d\d-01", hooks.values()["BUDGET_START"])
        (hooks.environment / "BUDGET_START").write_text("2024-02-01")
        hooks.run("preprovision.sh")
        assert hooks.values()["BUDGET_START"] == "2024-02-01"

    def test_after_azd_down_the_next_budget_begins_anew(self, hooks: Hooks) -> None:
        (hooks.environment / "ALERT_MAIL").write_text("you@example.org")
        (hooks.environment / "BUDGET_START").write_text("2024-02-01")
        assert hooks.run("postdown.sh").returncode == 0
        hooks.run("preprovision.sh")
        assert hooks.values()["BUDGET_START"] > "2024-02-01"

    def test_what_is_there_stays(self, hooks: Hooks) -> None:
        hooks.run("preprovision.sh")
        first = hooks.values()
        hooks.run("preprovision.sh")
        assert hooks.values() == first

    def test_two_installations_draw_different_ones(self, tmp_path: Path) -> None:
        drawn = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            hooks = Hooks(folder)
            hooks.run("preprovision.sh")
            drawn.append(hooks.values())
        assert drawn[0]["API_KEYS"] != drawn[1]["API_KEYS"]
        assert drawn[0]["WEBHOOK_SECRETS"] != drawn[1]["WEBHOOK_SECRETS"]


class TestPostdeploy:
    @pytest.fixture(autouse=True)
    def provisioned(self, hooks: Hooks) -> None:
        names = ("HTTP_HOST", "HTTP_APP", "EVENT_TOPIC", "URL")
        for name in names:
            (hooks.environment / f"STEMWORKS_{name}").write_text(f"the-{name.lower()}")
        (hooks.environment / "AZURE_RESOURCE_GROUP").write_text("rg-music")

    def test_the_deployed_app_is_asked_and_then_connected(self, hooks: Hooks) -> None:
        hooks.notes("curl")
        hooks.notes("az")
        ended = hooks.run("postdeploy.sh")
        assert ended.returncode == 0, ended.stderr
        assert "https://the-http_host/healthz" in hooks.calls("curl")[0]
        signed_in, call = hooks.calls("az")
        assert signed_in.startswith("account show")
        assert "--resource-group rg-music" in call
        assert "httpAppName=the-http_app topicName=the-event_topic webPubSubName= webPubSubAudience=" in call
        assert "Stemworks answers at the-url" in ended.stdout

    def test_it_waits_for_the_app_and_for_its_key(self, hooks: Hooks) -> None:
        hooks.notes("curl", failures=3)
        hooks.program("az", NOTES.format(name="az", failures=3).replace("\n[", '\n[ "$1" = account ] ||\n['))
        assert hooks.run("postdeploy.sh").returncode == 0
        assert (len(hooks.calls("curl")), len(hooks.calls("az"))) == (4, 4)

    def test_az_that_is_not_signed_in_is_told_at_once(self, hooks: Hooks) -> None:
        hooks.notes("curl")
        hooks.notes("az", failures=1000)
        ended = hooks.run("postdeploy.sh")
        assert ended.returncode == 1
        assert "az login" in ended.stderr
        assert hooks.calls("curl") == []

    def test_what_azd_does_not_know_is_told_at_once(self, hooks: Hooks) -> None:
        (hooks.environment / "STEMWORKS_HTTP_HOST").unlink()
        hooks.notes("curl")
        hooks.notes("az")
        ended = hooks.run("postdeploy.sh")
        assert ended.returncode == 1
        assert "azd provision" in ended.stderr
        assert hooks.calls("curl") == []

    def test_it_gives_up_on_an_app_that_never_answers(self, hooks: Hooks) -> None:
        hooks.notes("curl", failures=1000)
        hooks.notes("az")
        ended = hooks.run("postdeploy.sh")
        assert ended.returncode == 1
        assert "given up after 20 tries" in ended.stderr
        assert [call for call in hooks.calls("az") if "deployment" in call] == []
