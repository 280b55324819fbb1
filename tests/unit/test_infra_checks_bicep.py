"""The checks of the Bicep files: the files that there are pass, and each kind of mistake is found where it is."""

import re
from pathlib import Path

import pytest

from infra.checks import (
    alerts,
    parsing,
    promises,
    properties,
    references,
    resource_names,
    roles,
    settings,
    storage_names,
)
from infra.checks.bicep import BicepFile, bicep_files, parse, read
from infra.checks.fault import Fault
from infra.checks.names import ROOT
from infra.checks.plan import Planned, plan
from infra.checks.sdk import WITHOUT_MODEL, api_versions, known_types, shape_of

NAMES = {"containers": ["uploads"], "model_container": "models"}


def changed(path: str, old: str, new: str) -> tuple[BicepFile, int]:
    """One of our files with ``old`` replaced by ``new`` at its first place, and the line of that."""
    text = (ROOT / path).read_text(encoding="utf-8")
    assert old in text, f"{path} no longer has {old!r}"
    return parse(text.replace(old, new, 1), path), text[: text.index(old)].count("\n") + 1


def found(faults: list[Fault], path: str, line: int, part: str) -> bool:
    return any(fault.file == path and fault.line == line and part in fault.detail for fault in faults)


@pytest.mark.parametrize("path", bicep_files(), ids=lambda path: path.name)
def test_every_file_passes_every_check(path: Path) -> None:
    file = read(path)
    assert parsing.faults_of(path.read_text(encoding="utf-8"), file.path) == []
    checks = (references, promises, properties, roles, settings)
    assert [fault for check in checks for fault in check.faults_of(file)] == []


def test_every_type_has_a_model_to_be_created_and_to_be_read_by() -> None:
    for resource_type in known_types():
        for created in (True, False):
            shape = shape_of(resource_type, created=created)
            assert shape is not None and shape.fields is not None
            assert shape.fields(), resource_type
        assert api_versions(resource_type), resource_type


def test_what_has_no_model_is_used_and_is_said_to_have_none() -> None:
    used = {resource.type for path in bicep_files() for resource in read(path).of("resource").values()}
    assert used <= {*known_types(), *WITHOUT_MODEL}
    assert WITHOUT_MODEL.keys() <= used


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("param a string\nparam b string = \nparam c int\n", 2),
            ("var a = {\n  b: [1, 2\n}\n", 2),
            ("param a string\nresource x 'A/b@2020-01-01' = {\n  name: \n}\n", 3),
        ],
    )
    def test_what_is_no_bicep_is_found(self, text: str, line: int) -> None:
        faults = parsing.faults_of(text, "infra/x.bicep")
        assert any(fault.line is not None and abs(fault.line - line) <= 1 for fault in faults), faults

    def test_what_one_parser_alone_takes_is_found(self) -> None:
        """A backtick is no Bicep; a tolerant grammar may read on behind it."""
        assert parsing.faults_of("param a string\n`\nparam b string\n", "infra/x.bicep")


class TestReferences:
    @pytest.mark.parametrize(
        ("path", "old", "new", "part"),
        [
            ("infra/main.bicep", "tags: tags\n}", "tags: tag\n}", "tag is declared nowhere"),
            ("infra/main.bicep", "split(corsOrigins", "splits(corsOrigins", "splits() is no function"),
            ("infra/main.bicep", "registry.outputs.loginServer", "registry.outputs.server", "no output server"),
            ("infra/main.bicep", "storageId: storage", "storageIds: storage", "no parameter storageIds"),
            ("infra/main.bicep", "privateNetwork: privateNetwork", "privateNetwork: 'no'", "is bool, not string"),
            ("infra/main.bicep", "redundancy: storageRedundancy", "redundancy: 'LRS'", "must be one of Standard_LRS"),
            ("infra/gpu.bicep", "names.roles.gpu.queues", "names.roles.cpu.queues", "has no cpu"),
            ("infra/gpu.bicep", "path: health", "path: healthy", "healthy is declared nowhere"),
            ("infra/main.bicep", "budgetAmount int", "budgetAmount string", "is string, its default is int"),
            (
                "infra/main.bicep",
                "param gpuProfile string = 'Consumption-GPU-NC8as-T4'",
                "param gpuProfile string = 'T4'",
                "one of",
            ),
            ("infra/main.bicep", "@secure()", "@secret()", "@secret is no decorator"),
        ],
    )
    def test_a_name_that_stands_for_nothing_is_found(self, path: str, old: str, new: str, part: str) -> None:
        file, line = changed(path, old, new)
        assert found(references.faults_of(file), path, line, part)

    def test_a_parameter_that_a_module_lacks_is_found_at_the_module(self) -> None:
        file, _ = changed("infra/main.bicep", "    storageId: storage.outputs.id\n", "")
        line = file.of("module")["inbox"].line
        assert found(references.faults_of(file), "infra/main.bicep", line, "lacks its parameter storageId")

    def test_a_module_that_is_not_there_is_found(self) -> None:
        file, line = changed("infra/main.bicep", "'modules/inbox.bicep'", "'modules/inbocks.bicep'")
        assert found(references.faults_of(file), "infra/main.bicep", line, "there is no modules/inbocks.bicep")

    def test_what_nothing_uses_and_what_is_there_twice_is_found(self) -> None:
        file = parse("param a string\nparam b string\nvar b = 1\noutput c int = b\n", "infra/x.bicep")
        assert found(references.faults_of(file), "infra/x.bicep", 1, "a is used nowhere")
        assert found(references.faults_of(file), "infra/x.bicep", 3, "b is declared in line 2 already")

    def test_an_output_that_nobody_asks_for_is_found(self) -> None:
        module = parse("output a int = 1\noutput b int = 2\n", "infra/modules/m.bicep")
        main = parse("module m 'modules/m.bicep' = {\n  name: 'm'\n}\noutput c int = m.outputs.a\n", "infra/x.bicep")
        (fault,) = references.unused_outputs([main, module])
        assert (fault.file, fault.line, fault.detail) == ("infra/modules/m.bicep", 2, "output b is used nowhere")

    def test_names_of_loops_and_lambdas_hold_within_them_alone(self) -> None:
        loops = "param a array\nvar b = [for each in a: each]\nvar c = map(b, one => one)\n"
        text = f"{loops}output d array = concat(c, {{0}})\n"
        assert references.faults_of(parse(text.replace("{0}", "b"), "infra/x.bicep")) == []
        for outside in ("each", "one"):
            faults = references.faults_of(parse(text.replace("{0}", outside), "infra/x.bicep"))
            assert found(faults, "infra/x.bicep", 4, f"{outside} is declared nowhere")


class TestProperties:
    @pytest.mark.parametrize(
        ("path", "old", "new", "part"),
        [
            ("infra/gpu.bicep", "maxReplicas:", "maxReplica:", "no property maxReplica"),
            ("infra/gpu.bicep", "pollingInterval", "pollinginterval", "it has pollingInterval"),
            (
                "infra/gpu.bicep",
                "    identity: identity.id\n",
                "    identities: identity.id\n",
                "no property identities",
            ),
            ("infra/gpu.bicep", "external: false", "external: 'false'", "is boolean, not string"),
            ("infra/gpu.bicep", "type: 'Startup'", "type: 'Start'", "none of Liveness, Readiness, Startup: Start"),
            ("infra/gpu.bicep", "failureThreshold: 10", "failureThreshold: 60", "is 60, and may be from 1 up to 10"),
            ("infra/gpu.bicep", "periodSeconds: 30", "periodSeconds: 300", "is 300, and may be from 1 up to 240"),
            ("infra/gpu.bicep", "app.identity.principalId", "app.identity.principal", "has no principal"),
            ("infra/gpu.bicep", "containerApps@2026", "containerApps@2016", "the SDK speaks"),
            ("infra/gpu.bicep", "containerApps@2026-07-01", "containerApps@next", "is no API version"),
            ("infra/gpu.bicep", "containerApps@", "containerApp@", "no model of an SDK"),
            ("infra/events.bicep", "endpointUrl:", "endpoint:", "no property endpoint"),
            ("infra/events.bicep", "filter: {", "filters: {", "no property filters"),
            ("infra/modules/storage.bicep", "minimumTlsVersion: 'TLS1_2'", "minimumTlsVersion: '1.2'", "is none of"),
            ("infra/modules/storage.bicep", "value: address", "address: address", "no property address"),
            ("infra/modules/storage.bicep", "primaryEndpoints", "primaryEndpoint", "has no primaryEndpoint"),
            ("infra/modules/http-app.bicep", "version: '3.11'", "version: 3", "is string, not number"),
            ("infra/modules/http-app.bicep", "alwaysReady: []", "alwaysReady: 'no'", "is array, not string"),
            ("infra/modules/http-app.bicep", "httpsOnly: true", "state: 'Running'", "can only be read"),
            ("infra/modules/monitoring.bicep", "DisableLocalAuth", "disableLocalAuth", "it has DisableLocalAuth"),
            ("infra/modules/network.bicep", "delegations: [", "delegation: [", "no property delegation"),
        ],
    )
    def test_what_the_models_do_not_know_is_found(self, path: str, old: str, new: str, part: str) -> None:
        file, line = changed(path, old, new)
        assert found(properties.faults_of(file), path, line, part), properties.faults_of(file)

    def test_what_a_resource_must_have_and_has_not_is_found(self) -> None:
        file, line = changed("infra/modules/storage.bicep", "        value: address\n", "")
        faults = properties.faults_of(file)
        assert any(
            "lacks its property value" in fault.detail and abs((fault.line or 0) - line) <= 1 for fault in faults
        )


class TestPromises:
    @pytest.mark.parametrize(
        ("path", "old", "new", "part"),
        [
            (
                "infra/modules/storage.bicep",
                "allowSharedKeyAccess: false",
                "allowSharedKeyAccess: true",
                "must be false",
            ),
            ("infra/modules/storage.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'", "must be None"),
            ("infra/modules/registry.bicep", "adminUserEnabled: false", "adminUserEnabled: true", "must be false"),
            ("infra/modules/monitoring.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false", "must be true"),
            ("infra/modules/http-app.bicep", "version: '3.11'", "version: '3.10'", "must be 3.11"),
            ("infra/gpu.bicep", "external: false", "external: true", "ingress.external must be false"),
            ("infra/gpu.bicep", "queueName: queue", "queueName: 'cpu-requests'", "must come from names.json"),
        ],
    )
    def test_what_is_promised_and_not_kept_is_found(self, path: str, old: str, new: str, part: str) -> None:
        file, line = changed(path, old, new)
        assert found(promises.faults_of(file), path, line, part), promises.faults_of(file)

    def test_what_is_promised_and_left_out_is_found(self) -> None:
        file, _ = changed("infra/modules/storage.bicep", "    allowBlobPublicAccess: false\n", "")
        assert any("allowBlobPublicAccess must be false" in fault.detail for fault in promises.faults_of(file))

    @pytest.mark.parametrize("old", ["type: 'azure-queue'", "queueLength: batch"])
    def test_a_scaler_that_keda_does_not_take_is_found(self, old: str) -> None:
        file, _ = changed("infra/gpu.bicep", old, old.replace("ueue", "eueu"))
        assert any("a scaler is azure-queue" in fault.detail for fault in promises.faults_of(file))

    @pytest.mark.parametrize(
        ("path", "old", "new"),
        [
            ("infra/modules/http-settings.bicep", "ON_APP_STOPPING: 'true'", "ON_APP_STOPPING: '1'"),
            ("infra/modules/http-settings.bicep", "    PYTHON_ENABLE_INIT_INDEXING: '1'\n", ""),
            ("infra/modules/http-settings.bicep", "STEMWORKS_ROLE: 'http'", "STEMWORKS_ROLE: 'gpu'"),
            ("infra/modules/http-settings.bicep", "INBOX_SOURCE: 'EventGrid'", "INBOX_SOURCE: 'LogsAndContainerScan'"),
            ("infra/gpu.bicep", "  AzureWebJobsStorage__accountName: storageName\n", ""),
            ("infra/gpu.bicep", "credential: 'managedidentity'", "credential: 'managedIdentities'"),
        ],
    )
    def test_a_setting_without_which_no_app_works_is_missed(self, path: str, old: str, new: str) -> None:
        file, _ = changed(path, old, new)
        assert [fault for fault in promises.faults_of(file) if "the setting" in fault.detail]

    def test_a_profile_without_a_size_is_found(self) -> None:
        file, _ = changed("infra/gpu.bicep", "'Consumption-GPU-NC8as-T4': {", "'Consumption-GPU-NC8as-T5': {")
        assert len([fault for fault in promises.faults_of(file) if "among sizes" in fault.detail]) == 2

    def test_a_secret_that_the_history_would_show_is_found(self) -> None:
        file, _ = changed("infra/modules/vault.bicep", "@secure()\nparam apiKeys", "param apiKeys")
        assert any("apiKeys is a secret" in fault.detail for fault in promises.faults_of(file))


class TestResourceNames:
    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("Microsoft.Storage/storageAccounts", "stem-${token}"),
            ("Microsoft.Storage/storageAccounts", "stemworks-own${token}"),
            ("Microsoft.KeyVault/vaults", "stemworks-vault-${token}"),
            ("Microsoft.App/containerApps", "stemworks-gpu-workers-${token}"),
            ("Microsoft.App/containerApps", "GPU-${token}"),
            ("Microsoft.ContainerRegistry/registries", "stem-${token}"),
        ],
    )
    def test_a_name_that_azure_does_not_take_is_found(self, kind: str, name: str) -> None:
        (fault,) = resource_names.faults_of([Planned("azd provision", kind, name, "", "")])
        assert name in fault.detail

    def test_the_names_of_the_plan_pass(self) -> None:
        assert resource_names.check() == []
        assert resource_names.RULES.keys() <= {planned.type for planned in plan()}


class TestRoles:
    @pytest.mark.parametrize("role", ["8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"])
    def test_owner_and_contributor_are_refused(self, role: str) -> None:
        """Azure's ids of the roles Owner and Contributor."""
        file, line = changed("infra/modules/roles.bicep", "'7f951dda-4ed3-4680-a7ca-43fe172d538d'", f"'{role}'")
        assert found(roles.faults_of(file), "infra/modules/roles.bicep", line, "no role that may be assigned")

    def test_an_id_in_place_of_a_role_s_name_is_refused(self) -> None:
        file, line = changed(
            "infra/modules/roles.bicep",
            "'Microsoft.Authorization/roleDefinitions', acrPull)",
            "'Microsoft.Authorization/roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')",
        )
        assert found(roles.faults_of(file), "infra/modules/roles.bicep", line, "imagePuller assigns '8e3af657")

    def test_roles_that_changed_places_are_found(self) -> None:
        file, line = changed("infra/modules/roles.bicep", "var acrPull =", "var keyVaultSecretsUser =")
        assert found(roles.faults_of(file), "infra/modules/roles.bicep", line, "which is acrPull")

    def test_a_role_over_what_it_is_not_for_is_found(self) -> None:
        file, _ = changed("infra/modules/roles.bicep", "scope: registry", "scope: storage")
        assert [fault for fault in roles.faults_of(file) if "gives acrPull over a Microsoft.Storage" in fault.detail]

    def test_assignments_of_two_identities_that_clash_are_found(self) -> None:
        file, _ = changed(
            "infra/modules/roles.bicep", "guid(registry.id, principalId, acrPull)", "guid(registry.id, acrPull)"
        )
        assert [fault for fault in roles.faults_of(file) if "two assignments clash" in fault.detail]

    def test_a_role_over_the_whole_group_is_refused(self) -> None:
        file, _ = changed("infra/modules/roles.bicep", "  scope: registry\n", "")
        line = file.of("resource")["imagePuller"].line
        assert found(roles.faults_of(file), "infra/modules/roles.bicep", line, "give it a scope")

    def test_two_assignments_of_one_name_are_found(self) -> None:
        file, _ = changed("infra/modules/roles.bicep", "principalId, acrPull)", "principalId)")
        line = file.of("resource")["imagePuller"].line
        assert found(roles.faults_of(file), "infra/modules/roles.bicep", line, "its name must hold its role")


class TestSettings:
    @pytest.mark.parametrize(
        ("path", "old", "new", "part"),
        [
            ("infra/gpu.bicep", "STEMWORKS_ROLE:", "STEMWORKS_ROLL:", "STEMWORKS_ROLL is read by nobody"),
            ("infra/gpu.bicep", "STEMWORKS_ROLE: 'gpu'", "STEMWORKS_ROLE: 'cpu'", "STEMWORKS_ROLE"),
            (
                "infra/gpu.bicep",
                "queues__batchSize:",
                "queues__batchsize:",
                "host.json has no extensions.queues.batchsize",
            ),
            ("infra/gpu.bicep", "name: 'HF_TOKEN'", "name: 'HUB_TOKEN'", "HUB_TOKEN is read by nobody"),
            ("infra/modules/http-settings.bicep", "INBOX_SOURCE: 'EventGrid'", "INBOX_SOURCE: 'Event'", "INBOX_SOURCE"),
            ("infra/modules/http-settings.bicep", "    API_KEYS:", "    FUNCTIONS_WORKER_RUNTIME:", "must not be set"),
            ("infra/main.bicep", "WEB_PUBSUB_TENANT:", "WEB_PUBSUB_TENNANT:", "is read by nobody"),
        ],
    )
    def test_a_setting_that_the_app_does_not_take_is_found(self, path: str, old: str, new: str, part: str) -> None:
        file, line = changed(path, old, new)
        assert found(settings.faults_of(file), path, line, part), settings.faults_of(file)

    def test_settings_in_a_file_of_parameters_are_looked_at(self) -> None:
        text = '{"parameters": {"httpSettings": {"value": {\n"MAX_BODY_BYTES": "many",\n"MAX_BODDY": "1"}}}}'
        faults = settings.parameter_faults(text, "infra/main.parameters.json")
        assert [(fault.line, "MAX_BOD" in fault.detail) for fault in faults] == [(2, True), (3, True)]


class TestStorageNames:
    def test_the_files_pass(self) -> None:
        assert storage_names.check() == []

    @pytest.mark.parametrize("name", ["names.queues", "names.poison_queues", "names.tables", "names.containers"])
    def test_names_that_do_not_come_from_the_code_are_found(self, name: str) -> None:
        path = "infra/modules/storage.bicep"
        file, line = changed(path, name, "['mine']")
        assert found(
            storage_names.faults_of(file, NAMES | {"containers": ["audio-files", "uploads"]}), path, line, name
        )

    def test_a_rule_for_a_container_that_is_not_there_is_found(self) -> None:
        file, line = changed("infra/modules/storage.bicep", "'uploads/'", "'upload/'")
        names = {"containers": ["audio-files", "uploads"], "model_container": "models"}
        assert found(storage_names.faults_of(file, names), "infra/modules/storage.bicep", line, "no such container")


class TestAlerts:
    def test_the_alerts_look_for_what_the_code_says(self) -> None:
        assert alerts.check() == []

    def test_alerts_count_what_sampling_left_out(self) -> None:
        """Under load the host sends one line for many, and says for how many. Whether a timer ran needs no number."""
        text = (ROOT / "infra/modules/alerts.bicep").read_text(encoding="utf-8")
        queries = re.findall(r"query: '(.*)'", text)
        assert len(queries) == 5
        assert [query for query in queries if "found = sum(itemCount)" not in query] == [
            query for query in queries if "recover_jobs" in query
        ]

    def test_words_that_the_code_no_longer_says_are_found(self) -> None:
        file = parse("var a = [\n  {\n    query: 'traces | where message has \"was lost\"'\n  }\n]\n", "infra/a.bicep")
        assert alerts.faults_of(file, 'log.warning("job %s was lost")') == []
        assert len(alerts.faults_of(file, 'log.warning("job %s was lost_again")')) == 1
        (fault,) = alerts.faults_of(file, 'log.warning("job %s went away")')
        assert (fault.line, fault.detail) == (3, "looks for 'was lost', which the code says nowhere")
