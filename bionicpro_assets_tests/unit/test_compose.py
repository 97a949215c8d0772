"""docker-compose.yml by itself, without Docker: what must hold of every service, whoever edits it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bionicpro_assets import __version__
from bionicpro_assets.settings import PLACEHOLDER, Settings, secret_file_names, setting_names

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}
DAGSTER = yaml.safe_load((ROOT / "docker/dagster.yaml").read_text())
RUN = DAGSTER["run_launcher"]["config"]

each_service = pytest.mark.parametrize("name", list(SERVICES))


@each_service
def test_it_is_limited_and_its_log_rotates(name):
    service = SERVICES[name]
    assert re.fullmatch(r"(\$\{\w+:-)?\d+[mg]\}?", service["mem_limit"])
    assert service["cpus"]
    assert service["pids_limit"]
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


@each_service
def test_it_has_a_health_check_or_ends_by_itself(name):
    assert (name in ONCE) != ("healthcheck" in SERVICES[name])


@each_service
def test_it_comes_back_after_a_crash_and_is_given_time_to_stop(name):
    if name not in ONCE:
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert SERVICES[name]["stop_grace_period"]


@each_service
def test_it_gains_no_privileges(name):
    service = SERVICES[name]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert service.get("pid") is None
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"]
    # To become somebody without: PostgreSQL's own entrypoint, and the gate.
    assert not set(service.get("cap_add", [])) - {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}


@each_service
def test_it_listens_on_loopback_only(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{STACK_\w+:-\d+\}:\d+", port)
    assert SERVICES[name].get("network_mode") in (None, "none")


@each_service
def test_its_image_is_pinned(name):
    image = re.sub(r"^\$\{\w+:-(.+)\}$", r"\1", SERVICES[name]["image"])
    assert re.search(r":\d[\w.-]*$", image), image


@each_service
def test_it_waits_for_what_it_needs_to_be_ready(name):
    for needed, condition in SERVICES[name].get("depends_on", {}).items():
        ready = "service_completed_successfully" if needed in ONCE else "service_healthy"
        assert condition["condition"] == ready, needed


@each_service
def test_no_secret_is_in_its_environment(name):
    service = SERVICES[name]
    for variable, value in (service.get("environment") or {}).items():
        if re.search(r"PASSWORD|URL|SECRET|TOKEN|KEY", variable):
            assert variable.endswith("_FILE"), variable
            assert str(value).startswith("/run/"), variable


def test_only_the_gate_has_the_docker_socket():
    holders = [n for n, s in SERVICES.items() if any("docker.sock" in str(v) for v in s.get("volumes", []))]
    assert holders == ["docker_gate"]
    assert SERVICES["docker_gate"]["networks"] == ["gate"]
    assert COMPOSE["networks"]["gate"]["internal"]
    assert {n for n, s in SERVICES.items() if "gate" in s.get("networks", [])} == {
        "docker_gate",
        "dagster_daemon",
        "dagster_webserver",
    }


def test_only_the_proxy_opens_a_door_to_dagster():
    published = {n for n, s in SERVICES.items() if s.get("ports")}
    # Metrics name jobs, checks and counts, nobody and nothing secret, and take no commands.
    assert published == {"proxy", "clickhouse", "metrics"}
    assert "--read-only" in SERVICES["dagster_webserver_viewers"]["command"]
    assert "gate" not in SERVICES["dagster_webserver_viewers"]["networks"]


def test_the_hosts_are_those_of_the_data_contract():
    databases = {n: s["environment"]["POSTGRES_DB"] for n, s in SERVICES.items() if n in ("crm_db", "telemetry_db")}
    assert databases == {"crm_db": "crm_db", "telemetry_db": "telemetry_db"}
    assert all(SERVICES[n]["profiles"] == ["sources"] for n in databases)


def test_every_file_that_is_named_is_here_or_made_by_the_set_up():
    setup = (ROOT / "docker/setup.sh").read_text()
    for entry in [*COMPOSE["configs"].values(), *COMPOSE["secrets"].values()]:
        file = entry["file"]
        name = file.removeprefix("config/")
        assert (ROOT / file).exists() or f"write {name} " in setup or f"write {name}\n" in setup or name in {
            "proxy/operators",
            "proxy/viewers",
        }, file  # fmt: skip


def test_a_run_gets_settings_by_file_and_is_held_as_tightly_as_a_service():
    assert [v for v in RUN["env_vars"] if re.search(r"PASSWORD|URL|SECRET", v) and "_FILE=/run/" not in v] == []
    assert RUN["networks"] == [COMPOSE["networks"]["platform"]["name"]]
    config, pages = (COMPOSE["volumes"][name]["name"] for name in ("platform_config", "platform_pages"))
    options = RUN["container_kwargs"]
    assert options["volumes"] == [f"{config}:/run/bionicpro:ro", f"{pages}:/var/lib/bionicpro/pages"]
    assert options["cap_drop"] == ["ALL"]
    assert options["read_only"]
    assert {"mem_limit", "nano_cpus", "pids_limit", "log_config"} <= set(options)


def test_pages_are_written_where_the_door_shows_them():
    """The folder is the runs' own user's in the image, whose state a new volume takes from its first mount."""
    folder = next(v.partition("=")[2] for v in RUN["env_vars"] if v.startswith("BIONICPRO_PAGES="))
    assert f"install -d -m 755 -o 10001 -g 10001 {folder} " in (ROOT / "docker/Dockerfile").read_text()
    assert f"platform_pages:{folder}" in SERVICES["configure"]["volumes"]
    assert SERVICES["configure"]["image"] == SERVICES["code"]["image"]
    assert SERVICES["proxy"]["volumes"] == ["platform_pages:/pages:ro"]
    assert "root /pages;" in (ROOT / "docker/nginx/ui.conf").read_text()
    assert "add_header" not in (ROOT / "docker/nginx/ui.conf").read_text().partition("location")[2], (
        "it would drop the others"
    )


def test_production_and_embedded_agree_on_what_keeps_an_hour_from_being_written_twice():
    embedded = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert DAGSTER["concurrency"]["pools"] == embedded["concurrency"]["pools"]
    for section in ("run_retries", "retention", "telemetry"):
        assert DAGSTER[section] == embedded[section], section


def test_the_example_settings_are_settings(monkeypatch, tmp_path):
    lines = (ROOT / "docker/settings.env.example").read_text().replace("/run/bionicpro", str(tmp_path))
    (tmp_path / ".env").write_text(lines)
    (tmp_path / "crm_db_url").write_text("postgresql://etl:x@crm_db:5432/crm_db")
    (tmp_path / "telemetry_db_url").write_text("postgresql://etl:x@telemetry_db:5432/telemetry_db")
    (tmp_path / "clickhouse_url").write_text("http://etl:x@clickhouse:8123/reports")
    assert Settings.load(tmp_path / ".env").rollup == "platform"
    named = set(re.findall(r"^(\w+)=", lines, re.MULTILINE))
    assert named <= set(setting_names()) | set(secret_file_names())


def test_the_metrics_get_none_of_the_platforms_secrets():
    (kept_back,) = re.findall(r"grep -vE '([^']+)'", SERVICES["configure"]["command"][0])
    assert [name for name in secret_file_names().values() if not re.match(kept_back, f"{name}=x")] == []
    assert SERVICES["metrics"]["volumes"][0] == "metrics_config:/run/metrics:ro"
    assert not [v for v in SERVICES["metrics"]["volumes"] if "platform" in v]
    assert SERVICES["metrics"]["environment"]["DAGSTER_POSTGRES_USER"] == "metrics"


def test_variables_and_their_example_are_the_same():
    compose = dict(re.findall(r"\$\{(STACK_\w+):-([^}]+)\}", (ROOT / "docker-compose.yml").read_text()))
    example = dict(re.findall(r"^(STACK_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example == compose


def test_what_the_set_up_leaves_to_people_is_refused_until_they_did_it():
    assert PLACEHOLDER in (ROOT / "docker/setup.sh").read_text()
    assert PLACEHOLDER not in (ROOT / "docker-compose.yml").read_text()


def test_no_secret_is_versioned_or_gets_into_the_image():
    assert "/config/" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_the_package_needs_no_installation():
    # The image has its files, and no metadata of it.
    readers = [f.name for f in (ROOT / "bionicpro_assets").rglob("*.py") if "importlib.metadata" in f.read_text()]
    assert readers == []
    assert SERVICES["code"]["image"] == f"${{STACK_IMAGE:-bionicpro-assets:{__version__}}}"
