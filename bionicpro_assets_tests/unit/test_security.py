"""docs/security.md, held against the files that it speaks of."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
WITH_TLS = yaml.safe_load((ROOT / "docker/compose.tls.yml").read_text())
NGINX = {file.name: file.read_text() for file in (ROOT / "docker/nginx").iterdir()}


def section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_test_that_is_named_is_there():
    named = re.findall(r"`((?:unit|e2e)/[\w/]+\.py)`", TEXT)
    assert len(named) > 4
    assert [name for name in named if not (ROOT / "bionicpro_assets_tests" / name).exists()] == []


def test_the_number_of_wrong_passwords_is_that_of_the_door():
    bursts = dict(re.findall(r"zone=(\w+) burst=(\d+) nodelay", NGINX["login.conf"]))
    rates = dict(re.findall(r"zone=(\w+):1m rate=(\d+)r/m", NGINX["nginx.conf"]))
    # The burst comes on top of the first.
    assert {zone: int(burst) + 1 for zone, burst in bursts.items()} == {"guesses_of_user": 10, "guesses_of_address": 20}
    assert {zone: 60 / int(rate) for zone, rate in rates.items()} == {"guesses_of_user": 30, "guesses_of_address": 3}
    assert "ten wrong ones of a user from an address, or twenty of an address" in TEXT
    assert "one is let through every 30 seconds (every 3 of an address)" in TEXT


def test_how_to_change_each_secret_is_said():
    told = section("Changing a secret")
    setup = (ROOT / "docker/setup.sh").read_text()
    made = set(re.findall(r"write (\w+/\w+)", setup)) | {"proxy/operators", "proxy/viewers"}
    of_the_demo = {"sources/owner_password", "sources/etl_password"}
    no_secrets = {"proxy/trusted_proxies"}
    for name in made - of_the_demo - no_secrets:
        folder, _, file = name.partition("/")
        assert (
            name in told or (file in told and folder in told) or (folder == "clickhouse" and "administrator…" in told)
        ), name


def readers(file: str) -> set[str]:
    """The services that a file under config/ reaches, by the secret or the folder that they are given."""
    folder = f"./config/{file.partition('/')[0]}"
    known = COMPOSE["secrets"] | WITH_TLS["secrets"]
    secrets = {name for name, secret in known.items() if secret["file"] == f"config/{file}"}
    copied = {"./config/platform": "platform_config", "./config/metrics": "metrics_config"}.get(folder, "")
    found = set()
    for name, service in COMPOSE["services"].items():
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        with_tls = WITH_TLS["services"].get(name, {}).get("secrets", [])
        its_secrets = {s["source"] if isinstance(s, dict) else s for s in service.get("secrets", []) + with_tls}
        if secrets & its_secrets or folder in volumes or (copied and copied in volumes):
            found.add(name)
    return found


ADMINISTRATOR = {"clickhouse/administrator.xml", "clickhouse/administrator_url", "clickhouse/administrator_password"}


def test_changing_a_secret_restarts_whoever_was_given_it():
    rows = re.findall(r"^\| (?!secret|---)(.+?) \| (.+) \|$", section("Changing a secret"), re.MULTILINE)
    assert len(rows) == 10
    tried = 0
    for secret, do in rows:
        said = f"{secret} {do}".replace(", `telemetry_db_url`", ", `platform/telemetry_db_url`")
        files = set(re.findall(r"\b((?:platform|clickhouse|metrics|proxy)/[\w.]+)", said.replace("config/", "")))
        files = ADMINISTRATOR if "administrator…" in do else files
        commands = re.findall(r"`(docker compose (?:up|restart)[^`]*|docker/stop\.sh)`", do)
        assert files, secret
        assert len(commands) == 1, secret
        (command,) = commands
        restarted = set(COMPOSE["services"]) if command == "docker/stop.sh" else set(command.split())
        assert "restart" in command or "--force-recreate" in command or command == "docker/stop.sh", secret
        for file in files:
            # ClickHouse's set-up sees the folder, and ended long ago; it reads what is there when it begins.
            given = readers(file) - ({"clickhouse_init"} if file.startswith("platform/") else set())
            assert given - restarted == set(), (secret, file)
            tried += len(given)
    assert tried > 15


def test_whoever_asks_for_no_password_listens_to_those_only_that_may_ask():
    services = COMPOSE["services"]
    members: dict[str, set[str]] = {}
    for name, service in services.items():
        for network in service.get("networks", []):
            members.setdefault(network, set()).add(name)
    webs = {"dagster_webserver", "dagster_webserver_viewers"}
    assert members["ui"] == webs | {"proxy"}
    assert members["code"] == webs | {"code", "dagster_daemon"}
    assert members["gate"] == {"docker_gate", "dagster_daemon", "dagster_webserver"}
    for network in ("ui", "code", "gate"):
        assert COMPOSE["networks"][network]["internal"]
    for name, network in {"dagster_webserver": "ui", "dagster_webserver_viewers": "ui", "code": "code"}.items():
        command = services[name]["command"]
        (alias,) = services[name]["networks"][network]["aliases"]
        assert command[command.index("--host") + 1] == alias
        # A name that stands for one address, on that network.
        assert str(yaml.safe_dump(services)).count(f"aliases:\n      - {alias}") <= 1
    assert set(services["docker_gate"]["networks"]) == {"gate"}
    named = set(re.findall(r"set \$web http://(\w+):3000", NGINX["listen.conf"] + NGINX["listen-tls.conf"]))
    assert named == {"operators_web", "viewers_web"}
    workspace = yaml.safe_load((ROOT / "docker/workspace.yaml").read_text())
    assert workspace["load_from"][0]["grpc_server"]["host"] == "code_server"


def test_the_doors_with_tls_are_the_doors_without():
    def doors(text: str) -> list[str]:
        return re.findall(r"listen \d+|set \$\w+ \S+;|include \S+", text)

    assert doors(NGINX["listen.conf"]) == doors(NGINX["listen-tls.conf"])


def test_where_certificates_must_be_looked_at_nothing_less_is_recommended():
    files = [
        ROOT / "README.md",
        ROOT / "README.ru.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "deploy/kubernetes").iterdir(),
    ]
    for file in files:
        for mode in re.findall(r"sslmode[=:] ?([\w-]+)", file.read_text(encoding="utf-8")):
            assert mode == "verify-full" or file.name == "security.md", file.name
