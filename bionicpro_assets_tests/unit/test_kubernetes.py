"""The values of the Helm chart, without Helm and without Kubernetes: what can be held against what is installed.

Dagster validates the instance that the chart would write from them, and dagster-k8s makes a run's job from its launcher's
settings, with the Kubernetes client's own models. That the values' names are the chart's is held against the lists here,
which were read off the chart's values.schema.json: where it forbids other names, it forbids them here.
"""

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
    assert {m.mount_path: m.read_only for m in container.volume_mounts}["/run/bionicpro"]
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
    assert LAUNCHER["envVars"] == ["BIONICPRO_ENV_FILE=/run/bionicpro/settings.env"]


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


def test_the_job_is_a_job():
    job = yaml.safe_load((FOLDER / "clickhouse-init.yaml").read_text())
    api = client.ApiClient()
    assert api.sanitize_for_serialization(api._ApiClient__deserialize(job["spec"], "V1JobSpec")) == job["spec"]
    for name, kind, spec in (
        ("runs", "V1PodSpec", LAUNCHER["runK8sConfig"]["podSpecConfig"] | {"containers": [{"name": "dagster"}]}),
        ("code", "V1Volume", CODE["volumes"][1]),
        ("code", "V1PodSecurityContext", CODE["podSecurityContext"]),
    ):
        assert api.sanitize_for_serialization(api._ApiClient__deserialize(spec, kind)) == spec, name
