"""The stack of docker-compose.yml on a real Docker engine: who may do what, and what a bad day does to it.

    make e2e-compose

The tests are one story and run in this order. On a machine that can't fetch the images of ClickHouse and nginx,
stand-ins take their place (stand_ins/); what they can't show is said there.
"""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bionicpro_assets.hours import floor_hour
from bionicpro_assets_tests.e2e.compose.stack import (
    LAUNCH,
    ONCE,
    SERVICES,
    Stack,
    StackError,
    docker,
    ended,
    last_hours,
    load,
    wait_for,
)
from bionicpro_assets_tests.gate.attacks import attacks

pytestmark = pytest.mark.docker

APP = {"code", "dagster_daemon", "dagster_webserver", "dagster_webserver_viewers", "docker_gate", "metrics"}


def test_one_command_starts_everything(stack):
    services = stack.services()
    assert {s: c["ExitCode"] for s, c in services.items() if s in ONCE} == dict.fromkeys(ONCE, 0)
    assert {s: c["Health"] for s, c in services.items() if c["Health"] != "healthy" and s not in ONCE} == {}
    assert len(services) == SERVICES


def test_a_run_is_a_container_of_its_own_and_the_mart_is_what_the_sources_give(stack):
    run = load(stack)
    ids = [c for c in stack.run_containers(everything=True) if run in docker("inspect", c)]
    (container,) = json.loads(docker("inspect", *ids))
    assert container["State"]["ExitCode"] == 0
    assert container["Config"]["User"] == "10001:10001"
    assert container["HostConfig"]["ReadonlyRootfs"]
    assert container["HostConfig"]["CapDrop"] == ["ALL"]
    first, last = last_hours(3)
    said = stack.bionicpro(
        "verify", "--from", f"{first:%Y-%m-%dT%H:%M}", "--to", f"{last - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    )
    assert "rows are what the sources give" in " ".join(said.split())
    rows = stack.bionicpro("query", "--json", "SELECT count() AS n FROM reports.user_prosthesis_stats")
    assert json.loads(rows)["n"] > 20
    assert "reports.user_prosthesis_stats: " in stack.bionicpro("status")


@pytest.mark.parametrize(
    ("who", "password", "port", "status"),
    [
        (None, None, 3000, 401),
        (None, None, 3001, 401),
        ("operator", "wrong", 3000, 401),
        ("viewer", None, 3000, 401),
        ("operator", None, 3001, 401),
        ("operator", None, 3000, 200),
        ("viewer", None, 3001, 200),
    ],
)
def test_each_door_knows_its_users_and_nobody_else(stack, who, password, port, status):
    assert stack.door(who, port=port, password=password).status == status
    assert stack.door(who, "/graphql", port=port, password=password, query="{ version }").status == status


def metrics() -> dict[tuple[str, ...], float]:
    """What is measured, by name and labels; every source of it must have answered."""
    with urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found = {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
    sources = ("runs", "daemons", "assets", "checks", "alerts", "journal")
    assert {source: found["bionicpro_scrape_error", source] for source in sources} == dict.fromkeys(sources, 0)
    return found


def test_metrics_are_answered_on_loopback_from_every_source(stack):
    load(stack)
    found = metrics()
    rows = stack.bionicpro("query", "--json", "SELECT count() AS n FROM reports.user_prosthesis_stats")
    assert found["bionicpro_table_rows", "reports.user_prosthesis_stats"] == json.loads(rows)["n"]
    assert time.time() - found["bionicpro_daemon_heartbeat_timestamp_seconds", "scheduler"] < 120


def test_the_fleets_page_of_a_day_is_behind_both_doors(stack):
    noon = floor_hour(datetime.now(UTC)).replace(hour=12) - timedelta(days=1)
    yesterday = noon.date()
    # Not found until there is one; a stack that was started by night may have it already.
    assert stack.door("operator", "/fleet/").status in (200, 404)
    # The demo begins six hours ago.
    stack.compose("exec", "--no-TTY", "telemetry_db", "psql", "-qtX", "-U", "postgres", "-d", "telemetry_db", "-c",
                  f"SELECT demo.append_raw_telemetry(1, 30, '{noon}', '{noon + timedelta(hours=1)}')")  # fmt: skip
    loaded = stack.launch(noon, noon)
    assert wait_for("the hour's end", lambda: ended(stack, loaded), seconds=240) == "SUCCESS"
    told = stack.launch_day(yesterday)
    assert wait_for("the day's end", lambda: ended(stack, told), seconds=240) == "SUCCESS"
    newest = stack.door("operator", "/fleet/")
    assert (newest.status, newest.headers.get_content_type()) == (200, "text/html")
    assert b"<svg" in newest.body
    assert stack.door("operator", f"/fleet/fleet-{yesterday}-en.html").body == newest.body
    assert stack.door("operator", "/fleet").body == newest.body
    assert stack.door("viewer", "/fleet/", port=3001).body == newest.body
    assert 'lang="ru"' in stack.door("viewer", f"/fleet/fleet-{yesterday}-ru.html", port=3001).body.decode()
    assert stack.door("operator", "/fleet/fleet-1999-01-01-en.html").status == 404
    assert {stack.door(None, f"/fleet/{name}", port=port).status
            for port in (3000, 3001) for name in ("", f"fleet-{yesterday}-en.html")} == {401}  # fmt: skip


def test_a_viewer_sees_everything_and_changes_nothing(stack):
    seen = stack.door("viewer", "/graphql", port=3001, query="{ schedulesOrError(repositorySelector: {repositoryName: "
                      '"__repository__", repositoryLocationName: "bionicpro_assets"}) { __typename } }')  # fmt: skip
    assert seen.body["data"]["schedulesOrError"]["__typename"] == "Schedules"
    count = len(stack.runs())
    params = {"selector": {"repositoryLocationName": "bionicpro_assets", "repositoryName": "__repository__",
                           "jobName": "bionicpro_reports_etl"}, "mode": "default"}  # fmt: skip
    tried = stack.door("viewer", "/graphql", port=3001, query=LAUNCH, variables={"params": params})
    assert tried.body["data"]["launchPipelineExecution"]["__typename"] == "UnauthorizedError"
    assert len(stack.runs()) == count


def test_another_site_cannot_use_a_browser_that_is_logged_in(stack):
    foreign = stack.door("operator", "/graphql", query="{ version }", headers={"Origin": "https://elsewhere.example"})
    own = stack.door("operator", "/graphql", query="{ version }", headers={"Origin": "http://127.0.0.1:3000"})
    assert (foreign.status, own.status) == (403, 200)


def test_every_page_carries_the_security_headers(stack):
    headers = stack.door("operator", "/").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert headers.get_all("Referrer-Policy") == ["same-origin"]
    assert "object-src 'none'" in headers["Content-Security-Policy"]


def test_only_loopback_is_listened_on(stack):
    ports = docker("ps", "--format", "{{.Ports}}", "--filter", "label=com.docker.compose.project=bionicpro")
    published = [p.strip() for line in ports.splitlines() for p in line.split(",") if "->" in p]
    assert len(published) == 4
    assert all(p.startswith("127.0.0.1:") for p in published), published


def test_no_secret_is_where_it_can_be_read_by_others(stack):
    everything = docker("ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=bionicpro").split()
    everything += stack.run_containers(everything=True)
    events = stack.ask("{ runsOrError(limit: 5) { ... on Runs { results { runConfigYaml tags { value } "
                       "eventConnection { events { ... on MessageEvent { message } } } } } } "
                       "instance { info } }")  # fmt: skip
    texts = {
        "docker inspect": docker("inspect", *everything),
        "docker history": docker("history", "--no-trunc", "bionicpro-assets:0.1.0"),
        "logs": stack.compose("logs", "--no-color"),
        "logs of runs": "".join(docker("logs", c) for c in stack.run_containers(everything=True)),
        "Dagster": json.dumps(events),
        "docker compose config": stack.compose("config"),
    }
    secrets = stack.secrets()
    assert len(secrets) >= 7
    assert [(place, s[:4]) for place, text in texts.items() for s in secrets if s in text] == []
    assert all(len(text) > 500 for text in texts.values())


def test_no_secret_and_no_compiler_is_in_the_image(stack):
    script = (
        "command -v gcc cc make pip || ls /app/config /app/.env /run/bionicpro/* 2>/dev/null; python -c 'import chdb'"
    )
    said = docker("run", "--rm", "--entrypoint", "sh", "bionicpro-assets:0.1.0", "-c", script, check=False)
    assert "No module named 'chdb'" in said
    assert said.strip().startswith("Traceback")


# Every attack of gate/attacks.py, from where the daemon is: read from standard input, what was answered to standard output.
POST_ALL = """
import http.client, json, sys
for line in sys.stdin:
    connection = http.client.HTTPConnection("docker_gate", 2375, timeout=60)
    connection.request("POST", "/v1.45/containers/create", json.loads(line).encode("latin-1"))
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()]))
"""


def test_a_daemon_that_was_taken_over_gets_no_container_but_a_runs_by_any_of_the_attacks(stack):
    load(stack)
    (good,) = stack.launcher_body()
    before = docker("ps", "--all", "--quiet")
    bodies = [good, *(body for _, body in attacks(good))]
    lines = "".join(f"{json.dumps(body.decode('latin-1'))}\n" for body in bodies)
    answers = [json.loads(line) for line in stack.inside("dagster_daemon", POST_ALL, lines).splitlines()]
    assert len(answers) == len(bodies) > 1000
    # The first is a run's, to show that the others might have been.
    assert answers[0][0] == 201
    made = json.loads(answers[0][1])["Id"]
    try:
        assert [a for a in answers[1:] if not 400 <= a[0] < 500 or "The gate refuses it: " not in a[1]] == []
        assert set(docker("ps", "--all", "--quiet").split()) - set(before.split()) == {made[:12]}
        (container,) = json.loads(docker("inspect", made))
        assert container["Config"]["User"] == "10001:10001"
        assert container["HostConfig"]["CapAdd"] is None
        assert "/proc/sys" in container["HostConfig"]["ReadonlyPaths"]
    finally:
        docker("rm", "--force", made)
    assert stack.services()["docker_gate"]["Health"] == "healthy"


def test_the_gate_runs_as_a_user_without_rights(stack):
    script = "import pathlib; print(*[pathlib.Path(f'/proc/1/status').read_text()])"
    status = dict(line.split(":", 1) for line in stack.inside("docker_gate", script).splitlines() if ":" in line)
    assert set(status["Uid"].split()) == {"10001"}
    assert set(status["Gid"].split()) == {"10001"}
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"


def test_who_has_no_business_with_a_service_does_not_reach_it(stack):
    """Neither Dagster's code server nor its web servers ask for a password."""
    names = ("dagster_webserver", "operators_web", "viewers_web", "code", "code_server", "docker_gate")
    script = f"""
import socket
for name in {names}:
    for port in (2375, 3000, 4000):
        try:
            socket.create_connection((name, port), 3)
            print(name, port)
        except OSError:
            pass
"""
    assert stack.inside("metrics", script) == ""
    assert stack.inside("code", script).split("\n")[:-1] == ["code_server 4000"]
    assert "code_server 4000" in stack.inside("dagster_webserver_viewers", script)
    assert "2375" not in stack.inside("dagster_webserver_viewers", script)


def gated(stack: Stack, code: str) -> str:
    """Python with the Docker client in the daemon's container: what somebody could do who has taken it over."""
    script = f"import docker; client = docker.from_env()\n{code}"
    return stack.compose("exec", "--no-TTY", "dagster_daemon", "python", "-c", script, check=False)


@pytest.mark.parametrize(
    "options",
    [
        "'bionicpro-assets:0.1.0', privileged=True",
        "'bionicpro-assets:0.1.0', volumes=['/:/host']",
        "'postgres:17-bookworm'",
        "'bionicpro-assets:0.1.0', ['dagster', 'api', 'execute_run', '{}'], network='bionicpro_platform'",
    ],
)
def test_a_daemon_that_was_taken_over_cannot_start_what_is_no_run(stack, options):
    before = docker("ps", "--all", "--quiet")
    assert "The gate refuses it" in gated(stack, f"client.containers.create({options})")
    assert docker("ps", "--all", "--quiet") == before


def test_a_daemon_that_was_taken_over_reaches_no_other_container(stack):
    assert "The gate refuses it" in gated(stack, "client.containers.list()")
    assert "No such container of a run" in gated(stack, "client.containers.get('bionicpro-crm_db-1')")
    assert "The gate refuses it" in gated(stack, "client.images.list()")
    assert "The gate refuses it" in gated(stack, "client.containers.prune()")


@pytest.mark.parametrize("service", ["dagster_daemon", "code", "dagster_webserver", "docker_gate"])
def test_a_service_that_crashes_is_back_and_runs_go_on(stack, service):
    began = stack.services()[service]["ID"]
    restarts = docker("inspect", "--format", "{{.RestartCount}}", began).strip()
    stack.crash(service)
    wait_for("the restart", lambda: docker("inspect", "--format", "{{.RestartCount}}", began).strip() != restarts)
    wait_for("health", lambda: stack.services()[service]["Health"] == "healthy", seconds=240)
    load(stack)


@pytest.mark.parametrize("service", ["dagster_db", "telemetry_db", "clickhouse"])
def test_a_database_may_be_restarted(stack, service):
    stack.compose("restart", service)
    wait_for("health", lambda: all(c["Health"] == "healthy" for s, c in stack.services().items() if s not in ONCE))
    load(stack)


def test_a_run_whose_container_dies_is_run_again(stack):
    run = stack.launch(*last_hours(5))
    (container,) = wait_for("its container", lambda: [
        c for c in stack.run_containers() if run in docker("inspect", c, check=False)
    ], seconds=60)  # fmt: skip
    docker("kill", container)
    # Half a minute if it had begun, and up to two if its container died before it could say so.
    assert wait_for("the end of the first", lambda: ended(stack, run), seconds=240) == "FAILURE"
    retries = wait_for("a second run", lambda: [r for r in stack.runs() if r["rootRunId"] == run and r["runId"] != run])
    retry = retries[0]["runId"]
    assert wait_for("its end", lambda: ended(stack, retry), seconds=240) == "SUCCESS"
    first, last = last_hours(5)
    stack.bionicpro(
        "verify", "--from", f"{first:%Y-%m-%dT%H:%M}", "--to", f"{last - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    )


def test_a_run_can_be_stopped_by_an_operator(stack):
    run = stack.launch(*last_hours(5))
    wait_for("its container", lambda: stack.status(run) in ("STARTED", "SUCCESS"), seconds=90)
    stack.ask('mutation ($id: String!) { terminateRun(runId: $id) { __typename } }', id=run)  # fmt: skip
    # It may have been quicker.
    assert wait_for("its end", lambda: ended(stack, run), seconds=240) in ("CANCELED", "SUCCESS")
    load(stack)


def test_the_schedule_fires_by_itself(stack):
    def scheduled() -> list[str]:
        return [r["status"] for r in stack.runs() if "dagster/schedule_name" in r["tags"] and r["status"] == "SUCCESS"]

    wait_for("a scheduled run", scheduled, seconds=17 * 60)


def test_a_wrong_setting_stops_the_start_and_is_named(stack):
    url = stack.folder / "config/platform/crm_db_url"
    good = url.read_text()
    url.unlink()
    url.write_text(good.replace(good.split(":")[2].split("@")[0], "change-me"))
    try:
        with pytest.raises(StackError):
            stack.up()
        assert "BIONICPRO_CRM_DB_URL: still holds the example value (change-me)" in stack.compose(
            "logs", "clickhouse_init"
        )
    finally:
        url.write_text(good)
        stack.up()


def test_settings_and_secrets_can_be_changed(stack):
    platform = stack.folder / "config/platform"
    settings = platform / "settings.env"
    settings.write_text(settings.read_text().replace("ETL_LOOKBACK_HOURS=2", "ETL_LOOKBACK_HOURS=4"))
    url = (platform / "crm_db_url").read_text()
    old, new = url.split(":")[2].split("@")[0], "a" * 48
    stack.compose("exec", "--no-TTY", "crm_db", "psql", "-U", "postgres", "-c", f"ALTER ROLE etl PASSWORD '{new}'")
    (platform / "crm_db_url").write_text(url.replace(old, new))
    stack.compose("up", "--detach", "--wait", "--force-recreate", "configure", "code")
    load(stack)
    schedule = stack.ask(
        '{ scheduleOrError(scheduleSelector: {scheduleName: "bionicpro_reports_etl_every_15_minutes", repositoryName: '
        '"__repository__", repositoryLocationName: "bionicpro_assets"}) { ... on Schedule { description } } }'
    )
    assert "the last 4 hours" in schedule["scheduleOrError"]["description"]

    users = stack.folder / "config/proxy/operators"
    others = users.read_text()
    for password, former in (("anna's own", None), ("anna's next", "anna's own")):
        hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, text=True, capture_output=True)
        # As an editor saves it: another file by the same name.
        users.unlink()
        users.write_text(f"{others}anna:{hashed.stdout}")
        stack.compose("restart", "proxy")
        wait_for("the door", lambda new=password: stack.door("anna", password=new).status == 200, seconds=30)
        # Whom the door let in before, it has forgotten.
        assert former is None or stack.door("anna", password=former).status == 401


def test_where_alerts_go_can_be_changed(stack):
    settings = stack.folder / "config/platform/settings.env"
    before = settings.read_text()
    told = "BIONICPRO_ALERT_WEBHOOK_URL=http://127.0.0.1:1/"
    ask = "from bionicpro_assets.settings import Settings; print(Settings.load().secret('BIONICPRO_ALERT_WEBHOOK_URL'))"
    try:
        for secret in ("d" * 48, "e" * 48):
            settings.write_text(f"{before}{told}{secret}\n")
            stack.compose("up", "--detach", "--wait", "--force-recreate", "configure", "code")
            assert stack.inside("code", ask).strip() == f"http://127.0.0.1:1/{secret}"
        load(stack)
    finally:
        settings.write_text(before)
        stack.compose("up", "--detach", "--wait", "--force-recreate", "configure", "code")


def test_the_passwords_of_clickhouse_can_be_changed(stack):
    """All at once: its stand-in has one for all users, so what only one of them is changed with isn't shown here."""
    config, new = stack.folder / "config", "f" * 48
    old = (config / "clickhouse/etl_password").read_text().strip()
    for name in ("etl_password", "metrics_password", "administrator_password"):
        (config / "clickhouse" / name).write_text(f"{new}\n")
    for name in ("platform/clickhouse_url", "metrics/clickhouse_url", "clickhouse/administrator_url",
                 "clickhouse/administrator.xml"):  # fmt: skip
        (config / name).unlink()
    # It writes what is missing, with the passwords that are there.
    stack.script("setup.sh", "--sources")
    services = ("configure", "clickhouse", "clickhouse_init", "code", "metrics")
    stack.compose("up", "--detach", "--wait", "--force-recreate", *services)
    load(stack)
    assert metrics()["bionicpro_scrape_error", "journal"] == 0
    ask = ["curl", "--silent", "--header", "X-ClickHouse-User: etl", "--header", "X-ClickHouse-Key: {}"]
    said = {
        password: subprocess.run(
            [*ask[:-1], ask[-1].format(password), "--data-binary", "SELECT 1", "http://127.0.0.1:8123/"],
            text=True, capture_output=True, check=True,
        ).stdout
        for password in (old, new)
    }  # fmt: skip
    assert said[new] == "1\n"
    assert "Authentication failed" in said[old]


def test_the_passwords_of_dagsters_database_can_be_changed(stack):
    config, new, of_metrics = stack.folder / "config", "b" * 48, "c" * 48
    old = (config / "platform/dagster_db_password").read_text().strip()
    stack.compose(
        "exec", "--no-TTY", "dagster_db", "psql", "-U", "dagster", "-c", f"ALTER ROLE dagster PASSWORD '{new}'"
    )
    (config / "platform/dagster_db_password").write_text(f"{new}\n")
    stack.script("stop.sh")
    stack.up()
    (config / "metrics/dagster_db_password").write_text(f"{of_metrics}\n")
    stack.compose("up", "--detach", "--wait", "--force-recreate", "configure", "metrics_role", "metrics")
    load(stack)
    assert metrics()["bionicpro_scrape_error", "runs"] == 0
    ask = ("exec", "--no-TTY", "--env", f"PGPASSWORD={old}", "dagster_db", "psql", "-h", "dagster_db", "-U", "dagster")
    assert "password authentication failed" in stack.compose(*ask, "-c", "SELECT 1", check=False)


def test_a_backup_brings_back_the_mart_and_the_history(stack):
    load(stack)
    before, runs = mart(stack), run_ids(stack)
    assert before["rejected"] > 0
    stack.script("backup.sh", "before")
    stack.compose("exec", "--no-TTY", "clickhouse", "sh", "-c", "rm -rf /var/lib/clickhouse/backups/*")
    stack.ask("mutation ($id: String!) { deletePipelineRun(runId: $id) { __typename } }", id=min(runs))
    empty_the_mart(stack)
    assert mart(stack)["rows"] == 0
    # Schedules go on: there may be more runs than before, but one of those is gone.
    assert len(runs - run_ids(stack)) == 1
    stack.script("restore.sh", "before")
    assert mart(stack) == before
    assert runs - run_ids(stack) == set()
    load(stack)


def run_ids(stack: Stack) -> set[str]:
    return {run["runId"] for run in stack.runs()}


def mart(stack: Stack) -> dict[str, int]:
    statement = "SELECT count() AS rows, sum(movements_count) AS movements, " \
        "(SELECT count() FROM quarantine.rejected_telemetry) AS rejected FROM reports.user_prosthesis_stats"  # fmt: skip
    answer: dict[str, int] = json.loads(stack.bionicpro("query", "--json", statement))
    return answer


def empty_the_mart(stack: Stack) -> None:
    script = "from bionicpro_assets.settings import Settings; from bionicpro_assets.load.clickhouse import ClickHouse; " \
        "ClickHouse(Settings.load().secret('BIONICPRO_CLICKHOUSE_URL')).command('TRUNCATE TABLE storage.publications')"  # fmt: skip
    stack.compose("exec", "--no-TTY", "code", "python", "-c", script)


def test_an_upgrade_and_the_way_back(stack):
    docker("tag", "bionicpro-assets:0.1.0", "bionicpro-assets:0.1.1")
    try:
        for image in ("bionicpro-assets:0.1.1", "bionicpro-assets:0.1.0"):
            (stack.folder / ".env").write_text(f"STACK_IMAGE={image}\n")
            stack.script("stop.sh")
            stack.up()
            assert {
                docker("inspect", "--format", "{{.Config.Image}}", stack.services()[s]["ID"]).strip() for s in APP
            } == {image}
            run = load(stack)
            (used,) = [c for c in stack.run_containers(everything=True) if run in docker("inspect", c)]
            assert docker("inspect", "--format", "{{.Config.Image}}", used).strip() == image
    finally:
        (stack.folder / ".env").unlink(missing_ok=True)
        # What the test left, a later one would take for a change.
        stack.up()
        docker("rmi", "bionicpro-assets:0.1.1", check=False)


def test_stopping_waits_for_the_runs_and_nothing_is_lost(stack):
    run = stack.launch(*last_hours(5))
    # Its own: a run that is queued behind another's is begun when the stack is back.
    wait_for("its container", lambda: [c for c in stack.run_containers() if run in docker("inspect", c)], seconds=120)
    stack.script("stop.sh")
    assert stack.run_containers() == []
    assert docker("ps", "--quiet", "--filter", "label=com.docker.compose.project=bionicpro").strip() == ""
    stack.up()
    assert stack.status(run) == "SUCCESS"
    first, last = last_hours(5)
    stack.bionicpro(
        "verify", "--from", f"{first:%Y-%m-%dT%H:%M}", "--to", f"{last - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    )


def test_the_doors_speak_tls_when_they_are_given_a_certificate(stack):
    proxy = stack.folder / "config/proxy"
    certify(proxy)
    stack.compose("--file", "docker/compose.tls.yml", "up", "--detach", "--wait", "proxy")
    context = ssl.create_default_context(cafile=str(proxy / "tls_certificate"))
    secured = stack.door("operator", scheme="https", context=context)
    assert secured.status == 200
    assert secured.headers["Strict-Transport-Security"]
    assert secured.headers["X-Frame-Options"] == "DENY"
    assert (
        stack.door("viewer", "/graphql", port=3001, query="{ version }", scheme="https", context=context).status == 200
    )
    own = stack.door("operator", "/graphql", query="{ version }", scheme="https", context=context,
                     headers={"Origin": "https://127.0.0.1:3000"})  # fmt: skip
    assert own.status == 200
    assert stack.door("operator").status == 400
    # Another one, when it has run out.
    certify(proxy)
    stack.compose("restart", "proxy")
    renewed = ssl.create_default_context(cafile=str(proxy / "tls_certificate"))
    wait_for("the door", lambda: stack.door("operator", scheme="https", context=renewed).status == 200, seconds=30)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        stack.door("operator", scheme="https", context=context)


def certify(folder: Path) -> None:
    """A fresh key, and a certificate of its own, in place of what is there."""
    key, certificate = folder / "tls_key", folder / "tls_certificate"
    for file in (key, certificate):
        file.unlink(missing_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o444)
