"""The checks of names, of what azd reads, the plan, and the program that runs them all."""

import json
import stat
from pathlib import Path

import pytest

from infra.checks import __main__ as program
from infra.checks import azd, names
from infra.checks.bicep import parse
from infra.checks.fault import Fault
from infra.checks.names import ROOT
from infra.checks.plan import Planned, plan, resources, table

NAMES = {"queues": ["one", "two"], "tables": ["jobs"]}
PARAMETERS = """
@allowed(['a', 'b'])
param letter string = 'a'
param count int = 3
param open bool = false
param needed string
param settings object = {}
"""


def test_a_fault_says_where_it_is() -> None:
    assert str(Fault("infra/x.bicep", 12, "is wrong")) == "infra/x.bicep:12: is wrong"
    assert str(Fault("infra/x.bicep", None, "is wrong")) == "infra/x.bicep: is wrong"


class TestNames:
    def test_the_file_says_what_the_code_says(self) -> None:
        assert names.check() == []

    def test_a_file_that_parted_from_the_code_is_found_at_the_line(self) -> None:
        there = names.written(NAMES).replace('"two"', '"three"')
        (fault,) = names.compare(there, NAMES)
        assert fault.line == there.splitlines().index('    "three"') + 1
        assert '"three" where the code says "two"' in fault.detail

    @pytest.mark.parametrize("there", ["", names.written(NAMES)[:20], names.written(NAMES) + "more\n"])
    def test_a_file_that_is_missing_or_broken_off_is_found(self, there: str) -> None:
        assert len(names.compare(there, NAMES)) == 1

    def test_roles_listen_to_what_their_functions_name(self) -> None:
        roles = names.names_of_the_code()["roles"]
        assert roles["gpu"]["queues"] == ["generation-requests", "separation-requests"]
        assert roles["http"]["blob_functions"] == {"inbox": "inbox"}
        assert roles["gpu"]["http_functions"] == {"healthz": "healthz"}
        assert set(roles["all"]["queues"]) == set(roles["http"]["queues"]) | set(roles["gpu"]["queues"])


class TestParameters:
    def faults(self, **given: object) -> list[tuple[int | None, str]]:
        file = parse(PARAMETERS, "infra/main.bicep")
        entries = ",\n".join(f'"{name}": {json.dumps({"value": value})}' for name, value in given.items())
        text = f'{{"parameters": {{\n{entries}\n}}}}'
        faults = azd.parameter_faults(file, text, "infra/main.parameters.json", frozenset({"NEEDED"}))
        assert all(fault.file == "infra/main.parameters.json" for fault in faults)
        return [(fault.line, fault.detail) for fault in faults]

    def test_what_fits_passes(self) -> None:
        assert self.faults(needed="${NEEDED}", letter="${LETTER=a}", count="${COUNT=3}", open="${OPEN=false}") == []

    @pytest.mark.parametrize(
        ("given", "part"),
        [
            ({"letter": "${LETTER=c}"}, "must be one of a, b"),
            ({"letter": "${LETTER=b}"}, "is 'b' here and 'a' in infra/main.bicep"),
            ({"count": "${COUNT=many}"}, "is int, not 'many'"),
            ({"open": "${OPEN=yes}"}, "is bool, not 'yes'"),
            ({"settings": []}, "is object, not list"),
            ({"letters": "a"}, "has no parameter letters"),
            ({"letter": "${UNKNOWN}"}, "UNKNOWN has no default"),
        ],
    )
    def test_what_does_not_fit_is_found_at_its_line(self, given: dict[str, object], part: str) -> None:
        faults = self.faults(needed="${NEEDED}", **given)
        assert any(line == 3 and part in detail for line, detail in faults), faults

    def test_what_is_not_given_is_found(self) -> None:
        assert self.faults(letter="a") == [(None, "needed of infra/main.bicep is not given")]


class TestAzd:
    def test_the_files_pass(self) -> None:
        assert azd.check() == []

    def test_what_azure_yaml_names_and_is_not_there_is_found(self, tmp_path: Path) -> None:
        text = "services:\n  http:\n    host: function\n  gpu:\n    module: gpu\n    docker:\n      path: Dockerfile\n"
        text += "hooks:\n  postdeploy:\n    run: hook.sh\n"
        details = [(fault.line, fault.detail) for fault in azd.service_faults(text, frozenset({"gpu"}), tmp_path)]
        assert (2, "no resource has the tag azd-service-name: http") in details
        assert (4, "service gpu needs Dockerfile, which is not there") in details
        assert (4, "service gpu needs infra/gpu.bicep, which is not there") in details
        assert (9, "hook.sh is not there, or cannot be executed") in details

    def test_a_hook_must_be_executable(self, tmp_path: Path) -> None:
        text = "services: {}\nhooks:\n  postdeploy:\n    run: hook.sh\n"
        hook = tmp_path / "hook.sh"
        hook.write_text("#!/bin/sh\n")
        hook.chmod(stat.S_IRUSR)
        assert len(azd.service_faults(text, frozenset(), tmp_path)) == 1
        hook.chmod(stat.S_IRUSR | stat.S_IXUSR)
        assert azd.service_faults(text, frozenset(), tmp_path) == []

    def test_a_hook_that_asks_for_what_is_no_output_is_found(self) -> None:
        main = parse("output THERE string = 'a'\n", "infra/main.bicep")
        text = '#!/bin/sh\na=$(value THERE)\nb="$(value AWAY)"\n'
        (fault,) = azd.hook_faults(text, "infra/hooks/x.sh", main)
        assert (fault.line, fault.detail) == (3, "AWAY is no output of infra/main.bicep")

    def test_a_port_that_the_image_does_not_expose_is_found(self) -> None:
        parameters = '{"parameters": {\n"port": {"value": "${GPU_PORT=80}"}}}'
        assert azd.port_faults(parameters, "EXPOSE 80\n") == []
        (fault,) = azd.port_faults(parameters, "EXPOSE 8080\n")
        assert (fault.line, fault.detail) == (2, "GPU_PORT is 80, the image exposes 8080")


class TestPlan:
    def planned(self, text: str, **given: str) -> list[Planned]:
        return list(resources(parse(text, "infra/x.bicep"), "now", given))

    def test_the_plan_has_both_apps_and_what_they_need(self) -> None:
        types = {each.type for each in plan()}
        assert {"Microsoft.Web/sites", "Microsoft.App/containerApps", "Microsoft.Storage/storageAccounts"} <= types
        assert "Microsoft.EventGrid/systemTopics/eventSubscriptions" in types

    def test_the_gpu_app_scales_from_zero_as_the_simulation_recommends(self) -> None:
        defaults = json.loads((ROOT / "infra/capacity/defaults.json").read_text())
        (app,) = (each for each in plan() if each.type == "Microsoft.App/containerApps")
        assert app.size.endswith(f"from 0, to {defaults['maxReplicas']}")

    def test_names_and_sizes_are_filled_in_where_they_are_known(self) -> None:
        text = "param a string\nvar b = '${a}-b'\n"
        text += "resource c 'T/c@2020-01-01' = {\n  name: b\n  sku: {\n    name: 'S1'\n  }\n}\n"
        (each,) = self.planned(text, a="x")
        assert (each.type, each.name, each.size) == ("T/c", "x-b", "S1")

    def test_conditions_and_loops_are_told(self) -> None:
        text = "resource a 'T/a@2020-01-01' = if (b) {\n  name: 'a'\n}\n"
        text += "resource c 'T/c@2020-01-01' = [for d in e: {\n  name: d\n}]\n"
        assert [each.when for each in self.planned(text)] == ["if b", "each of e"]

    def test_roles_that_nobody_asks_for_are_left_out(self) -> None:
        text = "param vault string = ''\n"
        text += "resource a 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(vault)) {\n"
        text += "  name: 'a'\n  scope: v\n  properties: {\n    roleDefinitionId: f('r', reader)\n  }\n}\n"
        assert self.planned(text) == []
        assert [each.name for each in self.planned(text, vault="v", principalId="me")] == ["reader over v, for me"]

    def test_the_table_is_aligned(self) -> None:
        rows = table([Planned("now", "Microsoft.T/a", "name", "", "S1"), Planned("later", "T", "n", "if x", "")])
        head, rule, first, second = rows.splitlines()
        assert head.index("type") == first.index("T/a") == second.index("T ")
        assert rule.startswith("-----")


class TestProgram:
    def run(self, monkeypatch: pytest.MonkeyPatch, faults: list[Fault]) -> int:
        monkeypatch.setattr(program, "all_faults", lambda: faults)
        return program.main([])

    def test_faults_are_printed_and_are_the_exit_status(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(monkeypatch, [Fault("infra/x", 1, "is wrong")]) == 1
        assert capsys.readouterr().out.startswith("infra/x:1: is wrong\nFaults: 1\n")

    def test_without_faults_it_says_that_this_is_no_compile(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(monkeypatch, []) == 0
        assert "This is no compile" in capsys.readouterr().out

    def test_every_module_with_a_check_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        class Module:
            def __init__(self, name: str) -> None:
                self.name = name

            def check(self) -> list[Fault]:
                asked.append(self.name)
                return [Fault(self.name, None, "found")]

        monkeypatch.setattr(program, "import_module", Module)
        found = program.all_faults()
        assert {"infra.checks.names", "infra.checks.properties", "infra.checks.azd"} <= set(asked)
        assert "infra.checks.__main__" not in asked
        assert len(found) == len(asked)

    def test_other_arguments_are_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert program.main(["names"]) == 2
        assert "--write" in capsys.readouterr().err
