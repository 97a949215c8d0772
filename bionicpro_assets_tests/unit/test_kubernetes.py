"""The values of the Helm chart, without Helm and without Kubernetes: what can be held against what is installed.

Dagster validates the instance that the chart would write from them, and dagster-k8s makes a run's job from its launcher's
settings, with the Kubernetes client's own models. That the values' names are the chart's is held against the lists here,
which were read off the chart's values.schema.json: where it forbids other names, it forbids them here.
"""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job
from kubernetes import client

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())
DOCKER = yaml.safe_load((ROOT / "docker/dagster.yaml").read_text())
ADDED = VALUES["additionalInstanceConfig"]
LAUNCHER = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
(CODE,) = VALUES["dagster-user-deployments"]["deployments"]

POD = (
    "image env envConfigMaps envSecrets annotations nodeSelector affinity tolerations podSecurityContext securityContext "
    "resources livenessProbe readinessProbe startupProbe labels volumeMounts volumes schedulerName"
)
KNOWN = {
    "": """dagsterWebserver dagster-user-deployments postgresql generatePostgresqlPasswordSecret
        generateCeleryConfigSecret rabbitmq redis flower ingress imagePullSecrets computeLogManager scheduler runLauncher
        pythonLogs dagsterDaemon busybox migrate telemetry serviceAccount global retention additionalInstanceConfig""",
    "dagsterWebserver": """replicaCount nameOverride pathPrefix service workspace deploymentLabels enableReadOnly
        dbStatementTimeout dbPoolRecycle logLevel """ + POD,
    "dagsterDaemon": """enabled runCoordinator heartbeatTolerance deploymentLabels runMonitoring runRetries sensors
        schedules """ + POD,
    "runLauncher": "type config",
    "retention": "enabled sensor schedule autoMaterialize",
    "telemetry": "enabled",
    "postgresql": """image enabled postgresqlHost postgresqlUsername postgresqlPassword postgresqlDatabase
        postgresqlParams postgresqlScheme service""",
    "global": "postgresqlSecretName dagsterHome serviceAccountName celeryConfigSecretName",
}  # fmt: skip
KNOWN_OF_CODE = {
    "name", "dagsterApiGrpcArgs", "codeServerArgs", "includeConfigInLaunchedRuns", "port", *POD.split()
}  # fmt: skip
# The chart's name of each setting of the launcher, and the launcher's own.
RENDERED = {
    "imagePullPolicy": "image_pull_policy", "loadInclusterConfig": "load_incluster_config", "envVars": "env_vars",
    "volumeMounts": "volume_mounts", "volumes": "volumes", "labels": "labels", "resources": "resources",
    "envConfigMaps": "env_config_maps", "envSecrets": "env_secrets", "securityContext": "security_context",
}  # fmt: skip
RENDERED_OF_RUN = {
    "containerConfig": "container_config", "podSpecConfig": "pod_spec_config", "jobSpecConfig": "job_spec_config",
    "podTemplateSpecMetadata": "pod_template_spec_metadata", "jobMetadata": "job_metadata",
}  # fmt: skip


# Settings of the launcher that a single run can't have of its own.
OF_INSTANCE = {
    "load_incluster_config", "job_namespace", "dagster_home", "instance_config_map", "postgres_password_secret"
}  # fmt: skip


def launcher_config():
    """What the chart writes under run_launcher; it leaves out what is empty."""
    config = {RENDERED[k]: v for k, v in LAUNCHER.items() if k != "runK8sConfig" and v not in ([], {})}
    return config | {
        "run_k8s_config": {RENDERED_OF_RUN[k]: v for k, v in LAUNCHER["runK8sConfig"].items()},
        "job_namespace": "bionicpro",
        "service_account_name": "dagster",
        "dagster_home": VALUES["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
    }


@pytest.mark.parametrize("section", KNOWN)
def test_every_value_is_one_of_the_charts(section):
    assert set(VALUES[section] if section else VALUES) <= set(KNOWN[section].split())


def test_the_code_deployment_has_the_charts_names():
    assert set(CODE) <= KNOWN_OF_CODE
    assert set(VALUES["runLauncher"]["config"]) == {"k8sRunLauncher"}


def test_dagster_takes_the_instance_that_the_chart_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")
    postgres = VALUES["postgresql"]
    database = {
        "postgres_db": {
            "username": postgres["postgresqlUsername"], "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": postgres["postgresqlHost"], "db_name": postgres["postgresqlDatabase"],
            "port": postgres["service"]["port"], "params": postgres["postgresqlParams"],
            "scheme": postgres["postgresqlScheme"],
        }
    }  # fmt: skip
    written = {
        "run_storage": {"module": "dagster_postgres.run_storage", "class": "PostgresRunStorage", "config": database},
        "event_log_storage": {
            "module": "dagster_postgres.event_log", "class": "PostgresEventLogStorage", "config": database,
        },
        "schedule_storage": {
            "module": "dagster_postgres.schedule_storage", "class": "PostgresScheduleStorage", "config": database,
        },
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher_config()},
        "telemetry": VALUES["telemetry"],
    }  # fmt: skip
    assert not set(written) & set(ADDED), "the chart would write it twice"
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(written | ADDED))
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["run_monitoring"]["max_runtime_seconds"] == 3600
    result = process_config(K8sRunLauncher.config_type(), launcher_config())
    assert result.success, result.errors


def test_it_says_what_docker_dagster_yaml_says():
    for section in ("concurrency", "run_retries", "retention", "nux"):
        assert ADDED[section] == DOCKER[section], section
    assert VALUES["telemetry"] == DOCKER["telemetry"]
    assert ADDED["run_monitoring"] == DOCKER["run_monitoring"] | {"start_timeout_seconds": 300}
    assert DOCKER["compute_logs"]["class"] == VALUES["computeLogManager"]["type"]
    daemon = VALUES["dagsterDaemon"]
    # Else the chart writes its own section beside ours, and one of the two is lost.
    assert not any(daemon[part]["enabled"] for part in ("runCoordinator", "runMonitoring", "runRetries"))
    assert not VALUES["retention"]["enabled"]


def test_a_run_gets_what_a_run_in_docker_gets_and_is_held_as_tightly():
    docker = DOCKER["run_launcher"]["config"]["container_kwargs"]
    config = launcher_config()
    of_context = {k: v for k, v in config.items() if k not in OF_INSTANCE} | {"namespace": config["job_namespace"]}
    context = K8sContainerContext.create_from_config({"k8s": of_context})
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(
            "image:1", config["dagster_home"], instance_config_map=config["instance_config_map"],
            postgres_password_secret=config["postgres_password_secret"],
        ),
        ["dagster", "api", "execute_run", "{}"], "run", context.run_k8s_config,
    )  # fmt: skip
    pod = job.spec.template.spec
    (container,) = pod.containers
    assert container.command is None, "the image's entrypoint is kept"
    limits = container.resources.limits
    assert limits == {"cpu": str(docker["nano_cpus"] // 10**9), "memory": "4Gi"}
    assert docker["mem_limit"] == "4g"
    assert container.security_context.read_only_root_filesystem == docker["read_only"]
    assert container.security_context.capabilities.drop == docker["cap_drop"] == ["ALL"]
    assert not container.security_context.allow_privilege_escalation
    assert pod.termination_grace_period_seconds == docker["stop_timeout"]
    assert pod.security_context.run_as_user == 10001
    assert pod.automount_service_account_token is False
    assert ("BIONICPRO_ENV_FILE", "/run/bionicpro/settings.env") in [(e.name, e.value) for e in container.env]
    mounts = {m.mount_path: m for m in container.volume_mounts}
    assert mounts["/run/bionicpro"].read_only
    # The fleet's page of every day, into a volume that stays: all else is read-only, or gone with the pod.
    pages = {e.name: e.value for e in container.env}["BIONICPRO_PAGES"]
    assert pages in DOCKER["run_launcher"]["config"]["container_kwargs"]["volumes"][1]
    assert not mounts[pages].read_only
    (volume,) = [v for v in pod.volumes if v.name == mounts[pages].name]
    claim = yaml.safe_load((FOLDER / "pages.yaml").read_text())
    assert volume.persistent_volume_claim.claim_name == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert job.spec.template.metadata.labels["component"] == RUN
    # Else the code server's limits would be the runs'.
    assert CODE["includeConfigInLaunchedRuns"] == {"enabled": False}


def test_every_container_is_held_tightly():
    init = yaml.safe_load((FOLDER / "clickhouse-init.yaml").read_text())["spec"]["template"]["spec"]
    pods = [VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], CODE]
    pods.append({"podSecurityContext": init["securityContext"], **init["containers"][0]})
    pods.append({"podSecurityContext": LAUNCHER["runK8sConfig"]["podSpecConfig"]["securityContext"], **LAUNCHER})
    for pod in pods:
        assert pod["securityContext"]["readOnlyRootFilesystem"]
        assert not pod["securityContext"]["allowPrivilegeEscalation"]
        assert pod["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert pod["podSecurityContext"]["runAsNonRoot"]
        assert {"cpu", "memory"} <= set(pod["resources"]["limits"])
    assert f"USER {init['securityContext']['runAsUser']}:" in (ROOT / "docker/Dockerfile").read_text()


def test_no_secret_is_in_values_or_manifests():
    text = "".join(file.read_text() for file in FOLDER.iterdir())
    assert "assword:" not in text.replace("postgresqlPassword", "")
    assert "postgresqlPassword" not in text
    assert "://etl" not in text
    assert VALUES["generatePostgresqlPasswordSecret"] is False
    assert LAUNCHER["envVars"] == [
        "BIONICPRO_ENV_FILE=/run/bionicpro/settings.env", "BIONICPRO_PAGES=/var/lib/bionicpro/pages",
    ]  # fmt: skip


def test_code_and_manifests_read_the_files_that_compose_reads():
    names = {e["name"]: e["value"] for e in CODE["env"]}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert names["BIONICPRO_ENV_FILE"] == compose["x-platform"]["BIONICPRO_ENV_FILE"]
    (mount,) = [m for m in CODE["volumeMounts"] if m["name"] == "platform"]
    assert names["BIONICPRO_ENV_FILE"].startswith(mount["mountPath"])
    code = compose["services"]["code"]["command"]
    # One process: when it ends, whoever started it starts it again.
    assert code[:3] == ["dagster", "api", "grpc"]
    assert CODE["dagsterApiGrpcArgs"] == code[code.index("--module-name") :]
    assert str(CODE["port"]) in code


def test_the_network_policies_are_policies_and_name_the_charts_components():
    policies = list(yaml.safe_load_all((FOLDER / "network-policies.yaml").read_text()))
    api = client.ApiClient()
    for policy in policies:
        assert policy["kind"] == "NetworkPolicy"
        made = api._ApiClient__deserialize(policy["spec"], "V1NetworkPolicySpec")
        again = api.sanitize_for_serialization(made)
        assert again == policy["spec"], "a name that Kubernetes doesn't know is lost on the way"
    first = policies[0]["spec"]
    assert first == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}, "everything else is allowed by name"
    port = VALUES["dagsterWebserver"]["service"]["port"]
    assert [r["ports"] for p in policies for r in p["spec"].get("ingress", [])] == [
        [{"protocol": "TCP", "port": CODE["port"]}], [{"protocol": "TCP", "port": port}],
    ]  # fmt: skip


WEB, READ_ONLY, DAEMON, CODE_SERVER = (
    "dagster-webserver",
    "dagster-webserver-read-only",
    "dagster-daemon",
    "user-deployments",
)
RUN, INIT = "run", "clickhouse-init"
DAGSTERS_DATABASE, DATA, MAIL, WEBHOOK, API, WORLD = (
    "10.0.1.10", "10.0.2.7", "192.0.2.25", "192.0.2.44", "10.96.0.1", "203.0.113.9",
)  # fmt: skip


def may(component, address, port):
    """Whether a pod of the component may connect to an address outside, by all policies together."""
    for policy in yaml.safe_load_all((FOLDER / "network-policies.yaml").read_text()):
        spec = policy["spec"]
        selector = spec["podSelector"]
        named = [selector["matchLabels"]["component"]] if "matchLabels" in selector else None
        for expression in selector.get("matchExpressions", []):
            assert (expression["key"], expression["operator"]) == ("component", "In")
            named = expression["values"]
        if named is not None and component not in named:
            continue
        for rule in spec.get("egress", []):
            assert rule["to"], "without it, the whole world"
            blocks = [ip_network(to["ipBlock"]["cidr"]) for to in rule["to"] if "ipBlock" in to]
            if any(ip_address(address) in block for block in blocks) and port in [p["port"] for p in rule["ports"]]:
                return True
    return False


@pytest.mark.parametrize(
    ("address", "port", "who"),
    [
        (DAGSTERS_DATABASE, 5432, {WEB, READ_ONLY, DAEMON, CODE_SERVER, RUN, INIT}),
        (DATA, 5432, {CODE_SERVER, RUN, INIT}),
        (DATA, 8443, {CODE_SERVER, RUN, INIT}),
        (MAIL, 587, {CODE_SERVER}),
        (MAIL, 465, {CODE_SERVER}),
        (WEBHOOK, 443, {CODE_SERVER}),
        (API, 443, {DAEMON, WEB}),
        (WORLD, 443, set()),
        (WORLD, 53, set()),
        (MAIL, 443, set()),
        (DATA, 22, set()),
    ],
)
def test_each_reaches_what_it_needs_and_nothing_else(address, port, who):
    everybody = {WEB, READ_ONLY, DAEMON, CODE_SERVER, RUN, INIT}
    assert {component for component in everybody if may(component, address, port)} == who


def test_the_certificate_of_dagsters_database_is_looked_at_by_all_who_connect():
    parameters = VALUES["postgresql"]["postgresqlParams"]
    assert parameters["sslmode"] == "verify-full"
    folder, _, file = parameters["sslrootcert"].rpartition("/")
    assert file == "ca.crt"
    # The job that brings Dagster's tables up to date mounts what the web server mounts.
    for pod in (VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], CODE, LAUNCHER):
        (mount,) = [m for m in pod["volumeMounts"] if m["mountPath"] == folder]
        (volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
        assert mount["readOnly"]
        assert volume["configMap"] == {"name": "bionicpro-database-ca"}


def test_the_job_is_a_job():
    job = yaml.safe_load((FOLDER / "clickhouse-init.yaml").read_text())
    api = client.ApiClient()
    assert api.sanitize_for_serialization(api._ApiClient__deserialize(job["spec"], "V1JobSpec")) == job["spec"]
    for name, kind, spec in (
        ("runs", "V1PodSpec", LAUNCHER["runK8sConfig"]["podSpecConfig"] | {"containers": [{"name": "dagster"}]}),
        *(("code", "V1Volume", volume) for volume in CODE["volumes"] + LAUNCHER["volumes"]),
        ("code", "V1PodSecurityContext", CODE["podSecurityContext"]),
    ):
        assert api.sanitize_for_serialization(api._ApiClient__deserialize(spec, kind)) == spec, name
