"""The sensor against real instances: runs that really fail, real checks, real freshness, real receivers."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, BACKFILL_ID_TAG, WILL_RETRY_TAG
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.freshness import FreshnessDaemon
from typer.testing import CliRunner

from bionicpro_assets.alerts.state import State
from bionicpro_assets.cli.main import app
from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import alert_facts, keys
from bionicpro_assets.defs.alerts import alerts, tell
from bionicpro_assets.errors import SourceError
from bionicpro_assets.runs import range_tags
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.alert_definitions import HOURS, OPEN, Trouble, definitions
from bionicpro_assets_tests.integration.sources import execute
from bionicpro_assets_tests.receivers import Hook, Mailbox, smtp_server, webhook

pytestmark = pytest.mark.filterwarnings("ignore")
TICK = timedelta(seconds=30)
SECRET = "s3cret"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Platform:
    """An instance, definitions that can be made to fail, receivers, and the sensor's ticks one after another."""

    def __init__(self, instance, box, hook):
        self.instance, self.box, self.hook = instance, box, hook
        self.trouble, self.cursor, self.at = Trouble(), None, datetime.now(UTC)
        self.definitions = definitions(self.trouble)
        self.repository = self.definitions.get_repository_def()

    def run(self, first=HOURS[3], last=HOURS[5], *, job="etl", tags=None, assets=None):
        if assets:
            job_def = self.definitions.resolve_implicit_global_asset_job_def()
        else:
            job_def = self.definitions.resolve_job_def(job)
        return job_def.execute_in_process(
            instance=self.instance, tags={**(range_tags(first, last) if job == "etl" else {}), **(tags or {})},
            asset_selection=assets, run_config=QUIET, raise_on_error=False,
        ).run_id  # fmt: skip

    def tick(self, *, after=TICK):
        self.at = max(self.at + after, datetime.now(UTC))
        self.cursor, said = tell(Settings.load(), self.instance, self.repository, self.cursor, self.at)
        return said

    @property
    def subjects(self):
        return [s.removeprefix("[BionicPRO] ") for s in self.box.subjects]

    @property
    def bodies(self):
        return [message.get_content() for message in self.box.messages]


@pytest.fixture
def instance():
    retries = {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}
    with dg.DagsterInstance.ephemeral(settings={"run_retries": retries}) as instance:
        yield instance


@pytest.fixture
def platform(clean_environment, monkeypatch, instance):
    with smtp_server(Mailbox(password=SECRET)) as box, webhook(Hook()) as hook:
        for name, value in {
            "BIONICPRO_CRM_DB_URL": f"postgresql://etl:{SECRET}@crm_db/crm_db",
            "BIONICPRO_TELEMETRY_DB_URL": f"postgresql://etl:{SECRET}@telemetry_db/telemetry_db",
            "BIONICPRO_CLICKHOUSE_URL": f"http://etl:{SECRET}@clickhouse:8123/reports",
            "BIONICPRO_ALERT_EMAIL_TO": "oncall@example.org",
            "BIONICPRO_ALERT_EMAIL_FROM": "bionicpro@example.org",
            "BIONICPRO_SMTP_URL": f"smtp://etl:{SECRET}@127.0.0.1:{box.port}",
            "BIONICPRO_ALERT_WEBHOOK_URL": f"http://127.0.0.1:{hook.port}/services/T0KEN",
            "BIONICPRO_UI_URL": "https://dagster.example.org",
            "no_proxy": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        platform = Platform(instance, box, hook)
        yield platform
        assert platform.hook.subjects == platform.box.subjects, "both channels tell the same"
        everything = " ".join([*platform.bodies, *platform.box.subjects, *platform.hook.texts, platform.cursor or ""])
        assert not any(word in everything for word in (SECRET, "T0KEN", "anna@"))


PERIOD = f"{OPEN - timedelta(hours=2):%Y-%m-%d %H:%M}"


def test_a_failing_schedule_is_one_message_at_its_beginning_and_one_at_its_end(platform):
    platform.trouble.error = dg.Failure("crm_db (crm:5432/crm_db) can't be reached: refused. Ask anna@example.org.")
    for _ in range(3):
        run_id = platform.run()
        platform.tick()
        platform.tick()
    platform.trouble.error = None
    platform.run()
    platform.tick()
    platform.tick()
    opened, over = platform.subjects
    assert opened.startswith(f"Failed: reports/mart, {PERIOD}")
    assert over == f"Over: {opened}"
    assert "crm_db (crm:5432/crm_db) can't be reached: refused. Ask …@…." in platform.bodies[0]
    assert "bionicpro materialize --from" in platform.bodies[0]
    assert "https://dagster.example.org/runs/" in platform.bodies[0]
    assert ", 3 runs; it began " in platform.bodies[1]
    assert run_id not in platform.bodies[0], "the first of the three is the one that was told"


def test_the_end_comes_only_with_the_hours_that_failed_also_by_hand_and_piece_by_piece(platform):
    platform.trouble.error = dg.Failure("No.")
    platform.run(HOURS[0], HOURS[2])
    platform.tick()
    platform.trouble.error = None
    platform.run(HOURS[2], HOURS[5])
    platform.tick()
    platform.run(HOURS[0], HOURS[0], assets=[dg.AssetKey(["reports", "mart"])])
    platform.tick()
    assert len(platform.subjects) == 1
    platform.run(HOURS[1], HOURS[1], tags={BACKFILL_ID_TAG: "abcd"})
    platform.tick()
    assert platform.subjects[1].startswith("Over: ")


def test_exceptions_that_may_quote_patients_are_told_by_their_kind(platform):
    platform.trouble.error = ValueError("Иванова Анна")
    platform.run()
    platform.tick()
    assert "ValueError; its text stays in the run" in platform.bodies[0]
    assert "Анна" not in platform.bodies[0]


def test_an_error_of_the_platform_is_told_in_its_own_words_without_secrets(platform):
    platform.trouble.error = SourceError(f"crm_db refuses postgresql://etl:{SECRET}@crm/crm_db; grant the right.")
    platform.run()
    platform.tick()
    assert "crm_db refuses postgresql://…@crm/crm_db; grant the right." in platform.bodies[0]


def test_a_job_without_assets(platform):
    platform.trouble.error = dg.Failure("The disk is full.")
    platform.run(job="sweep")
    platform.tick()
    platform.trouble.error = None
    platform.run()
    platform.tick()
    assert platform.subjects == ["Failed: sweep_op"]
    platform.run(job="sweep")
    platform.tick()
    assert platform.subjects == ["Failed: sweep_op", "Over: Failed: sweep_op"]


def test_a_run_that_died_is_told_by_what_dagster_says(platform):
    job = platform.definitions.resolve_job_def("etl")
    run = platform.instance.create_run_for_job(job, tags=range_tags(HOURS[4], HOURS[5]))
    platform.instance.report_run_failed(run, "Exceeded maximum runtime of 1800 seconds.")
    # The process comes to its end after that, and says so.
    platform.instance.report_run_canceled(run)
    platform.instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    platform.tick()
    assert platform.subjects[0].startswith("Failed: Job etl, ")
    assert "Exceeded maximum runtime of 1800 seconds." in platform.bodies[0]
    assert platform.instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.CANCELED


def test_a_run_that_dagster_is_going_to_start_again_is_told_only_if_that_fails_too(platform):
    job = platform.definitions.resolve_job_def("etl")
    run = platform.instance.create_run_for_job(job, tags=range_tags(HOURS[4], HOURS[5]))
    platform.instance.report_run_failed(run, "The process died.")
    assert platform.instance.get_run_by_id(run.run_id).tags[WILL_RETRY_TAG] == "true"
    platform.tick()
    platform.tick()
    assert platform.subjects == []
    platform.trouble.error = dg.Failure("And again.", allow_retries=False)
    again = platform.run(HOURS[4], HOURS[5], tags={"dagster/max_retries": "0"})
    platform.instance.add_run_tags(run.run_id, {AUTO_RETRY_RUN_ID_TAG: again})
    platform.tick()
    assert len(platform.subjects) == 1
    assert again in platform.bodies[0]


def test_a_failure_whose_tag_is_not_written_yet_waits_for_it(platform, monkeypatch):
    job = platform.definitions.resolve_job_def("etl")
    run = platform.instance.create_run_for_job(job, tags=range_tags(HOURS[4], HOURS[5]))
    with monkeypatch.context() as patched:
        # Between these two writes of Dagster's anybody may look.
        patched.setattr(platform.instance, "add_run_tags", lambda *_: None)
        platform.instance.report_run_failed(run, "The process died.")
    platform.tick()
    assert platform.subjects == []
    platform.instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    platform.tick()
    assert len(platform.subjects) == 1


def test_a_run_that_failed_long_ago_and_is_touched_now_is_not_told(platform):
    platform.trouble.error = dg.Failure("No.")
    with freeze_time(datetime.now(UTC) - timedelta(days=3)):
        run_id = platform.run(job="sweep")
    platform.tick()
    platform.instance.add_run_tags(run_id, {"looked_at_by": "somebody"})
    assert datetime.now(UTC) - platform.instance.get_run_record_by_id(run_id).update_timestamp < timedelta(minutes=5)
    platform.tick()
    assert platform.subjects == []


def test_runs_of_another_code_location_are_theirs_to_tell(platform):
    @dg.asset
    def other():
        raise dg.Failure("Not ours.")

    theirs = dg.Definitions(assets=[other], jobs=[dg.define_asset_job("theirs", selection="*")])
    for job in (theirs.resolve_job_def("theirs"), theirs.resolve_implicit_global_asset_job_def()):
        job.execute_in_process(instance=platform.instance, run_config=QUIET, raise_on_error=False)
    platform.tick()
    assert platform.subjects == []


def test_a_check_that_fails_for_some_hours_is_one_message_and_over_when_they_pass(platform):
    platform.trouble.bad_hours = frozenset(HOURS[3:5])
    platform.run()
    platform.tick()
    platform.run()
    platform.tick()
    (opened,) = platform.subjects
    assert opened.startswith(f"Check failed: reports/mart, no_gaps, {PERIOD}")
    assert "Rows of …@… are missing." in platform.bodies[0]
    platform.trouble.bad_hours = frozenset(HOURS[3:4])
    platform.run()
    platform.tick()
    assert len(platform.subjects) == 1
    platform.trouble.bad_hours = frozenset()
    platform.run()
    platform.tick()
    assert platform.subjects[1].startswith("Over: Check failed: reports/mart, no_gaps, ")


def test_a_check_is_over_when_it_is_executed_by_itself_and_passes(platform):
    platform.trouble.bad_hours = frozenset(HOURS)
    platform.run(job="none", assets=[dg.AssetKey("fresh")])
    platform.tick()
    assert platform.subjects == ["Check failed: fresh, has_rows"]
    platform.trouble.bad_hours = frozenset()
    check = dg.AssetCheckKey(dg.AssetKey("fresh"), "has_rows")
    job = platform.definitions.resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection={check})
    alone.execute_in_process(instance=platform.instance, run_config=QUIET)
    platform.tick()
    assert platform.subjects[1] == "Over: Check failed: fresh, has_rows"


def test_a_warning_is_called_one_and_told_again_when_it_becomes_an_error(platform):
    platform.trouble.bad_hours, platform.trouble.severity = frozenset(HOURS[3:4]), dg.AssetCheckSeverity.WARN
    platform.run()
    platform.tick()
    platform.trouble.severity = dg.AssetCheckSeverity.ERROR
    platform.run()
    platform.tick()
    assert [s.partition(" reports/mart")[0] for s in platform.subjects] == ["Check warns:", "Worse: Check failed:"]


def test_a_failed_backfill_is_one_problem_over_when_its_hours_are_loaded(platform):
    platform.trouble.error = dg.Failure("No.")
    for hour in HOURS[:3]:
        platform.run(hour, hour, tags={BACKFILL_ID_TAG: "abcd"})
    platform.tick()
    assert len(platform.subjects) == 1
    assert "Backfill abcd, run " in platform.bodies[0]
    platform.trouble.error = None
    platform.run(HOURS[0], HOURS[2])
    platform.tick()
    assert platform.subjects[1].startswith("Over: ")


def test_a_backfill_that_fails_by_itself(platform):
    mart = dg.AssetKey(["reports", "mart"])
    platform.instance.add_backfill(
        PartitionBackfill.from_partitions_by_assets(
            backfill_id="wxyz", asset_graph=platform.repository.asset_graph, backfill_timestamp=datetime.now(UTC).timestamp(),
            tags={}, dynamic_partitions_store=platform.instance, partitions_by_assets=[], title=None, description=None,
            run_config=None,
        )._replace(asset_selection=[mart], partition_names=HOURS[:2]).with_status(BulkActionStatus.FAILED)
    )  # fmt: skip
    platform.tick()
    platform.tick()
    assert [s.partition(",")[0] for s in platform.subjects] == ["Failed: Backfill wxyz"]
    assert "(2 hours)" in platform.subjects[0]
    assert "https://dagster.example.org/runs/b/wxyz" in platform.bodies[0]
    platform.run(HOURS[0], HOURS[1])
    platform.tick()
    assert platform.subjects[1].startswith("Over: ")


def test_a_run_that_fails_and_the_check_in_it_are_one_message_at_both_ends(platform):
    platform.trouble.error, platform.trouble.bad_hours = dg.Failure("No."), frozenset(HOURS[3:4])
    platform.run()
    platform.tick()
    (opened,) = platform.subjects
    assert opened.startswith("Failed: reports/mart")
    assert opened.endswith("(and 1 more)")
    assert "Check failed: reports/mart, no_gaps" in platform.bodies[0]
    platform.trouble.error, platform.trouble.bad_hours = None, frozenset()
    platform.run()
    platform.tick()
    assert len(platform.subjects) == 2


def daemon_says_how_fresh(instance, at):
    """What Dagster's own daemon does every 30 seconds, at this instant."""
    target = LoadableTargetOrigin(
        executable_path=None, module_name="bionicpro_assets_tests.integration.alert_definitions", attribute="defs"
    )
    location = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(target))
    with create_test_daemon_workspace_context(location, instance) as workspace, freeze_time(at):
        list(FreshnessDaemon().run_iteration(workspace))


def test_an_asset_that_goes_stale_is_told_as_it_begins_and_worsens_and_when_it_is_loaded_again(platform):
    fresh = [dg.AssetKey("fresh")]
    with dg.instance_for_test() as platform.instance:
        platform.run(job="none", assets=fresh)
        for minutes in (0, 6, 7, 11, 60):
            daemon_says_how_fresh(platform.instance, datetime.now(UTC) + timedelta(minutes=minutes))
            platform.tick()
        platform.run(job="none", assets=fresh)
        daemon_says_how_fresh(platform.instance, datetime.now(UTC))
        platform.tick()
    assert platform.subjects == ["Getting stale: fresh", "Worse: Stale: fresh", "Over: Stale: fresh"]
    assert "hasn't been loaded for longer than its freshness policy allows. Loaded last: 20" in platform.bodies[1]
    assert "https://dagster.example.org/assets/fresh" in platform.bodies[1]


def test_a_mail_server_that_is_down_gets_the_message_once_when_it_is_up_again(platform, monkeypatch):
    platform.trouble.error = dg.Failure("No.")
    platform.run()
    with smtp_server(Mailbox()) as gone:
        pass
    with monkeypatch.context() as patched:
        patched.setenv("BIONICPRO_SMTP_URL", f"smtp://127.0.0.1:{gone.port}")
        for _ in range(5):
            said = platform.tick()
    assert (len(platform.hook.bodies), platform.box.messages) == (1, [])
    assert said[0] == "Open problems: 1. Messages waiting: 1."
    for _ in range(40):
        platform.tick()
    assert len(platform.subjects) == 1
    platform.trouble.error = None
    platform.run()
    platform.tick()
    assert len(platform.subjects) == 2


def test_a_webhook_that_answers_500_does_not_double_the_mail(platform):
    platform.hook.statuses = [500, 500, 500]
    platform.trouble.error = dg.Failure("No.")
    platform.run()
    said = platform.tick()
    assert said[1:] == [f"webhook: The webhook http://127.0.0.1:{platform.hook.port} answers 500."]
    for _ in range(40):
        platform.tick()
    assert (len(platform.box.messages), len(platform.hook.bodies), platform.hook.tries) == (1, 1, 4)


def test_a_wrong_password_leaves_the_sensor_working_and_is_said_without_it(platform, monkeypatch):
    platform.trouble.error = dg.Failure("No.")
    platform.run()
    with monkeypatch.context() as patched:
        patched.setenv("BIONICPRO_SMTP_URL", f"smtp://etl:wr0ng@127.0.0.1:{platform.box.port}")
        said = platform.tick()
    assert "refuses the user or password (535)" in said[1]
    assert not any(word in " ".join(said) for word in ("wr0ng", SECRET, "T0KEN"))
    assert len(platform.hook.bodies) == 1
    for _ in range(3):
        platform.tick()
    assert len(platform.subjects) == 1


def test_many_problems_at_once_are_one_message(platform):
    platform.trouble.error = dg.Failure("No.")
    for i in range(6):
        platform.run(HOURS[i], HOURS[i], tags={BACKFILL_ID_TAG: f"backfill{i}"})
    platform.tick()
    assert platform.subjects == ["6 new problems"]
    assert platform.bodies[0].count("- Failed: reports/mart") == 6


def test_the_first_look_tells_what_is_still_wrong_and_not_what_has_been_mended(platform):
    platform.trouble.error = dg.Failure("No.")
    platform.run(HOURS[0], HOURS[1], assets=[dg.AssetKey(["reports", "mart"])])
    platform.run()
    platform.trouble.error = None
    platform.run()
    platform.tick()
    assert [s.partition(" …")[0] for s in platform.subjects] == [
        f"Failed: reports/mart, {OPEN - timedelta(hours=5):%Y-%m-%d %H:%M}"
    ]
    assert "Materialisation of reports/mart" in platform.bodies[0]


def test_while_there_are_more_runs_to_look_at_nothing_is_said(platform, monkeypatch):
    monkeypatch.setattr(alert_facts, "RUNS_A_LOOK", 1)
    platform.trouble.error = dg.Failure("No.")
    platform.run()
    platform.run()
    platform.trouble.error = None
    platform.run()
    for _ in range(4):
        platform.tick()
    assert platform.subjects == []
    platform.trouble.error = dg.Failure("No.")
    platform.run()
    platform.tick()
    assert len(platform.subjects) == 1


def test_a_cursor_that_is_not_the_sensors_begins_anew_and_says_so(platform):
    platform.cursor = "17"
    assert platform.tick()[1].startswith("The cursor isn't one of this sensor's")
    assert State.of_json(platform.cursor) is not None


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def stored(request):
    """An instance with the storage of one machine, and one with that of production."""
    if request.param == "SQLite":
        with dg.instance_for_test() as instance:
            yield instance
        return
    server = request.getfixturevalue("postgres_server")
    execute(server, "CREATE DATABASE dagster", autocommit=True)
    url = urlunsplit(urlsplit(server)._replace(path="/dagster"))
    with dg.instance_for_test(overrides={"storage": {"postgres": {"postgres_url": url}}}) as instance:
        yield instance
    execute(server, "DROP DATABASE dagster WITH (FORCE)", autocommit=True)


def test_the_sensor_itself(platform, stored):
    platform.trouble.error, platform.instance = dg.Failure("No."), stored
    platform.run()
    defs = dg.Definitions.merge(platform.definitions, alerts(Settings.load()))
    sensor, cursor = defs.resolve_sensor_def(keys.ALERTS_SENSOR), None
    for _ in range(3):
        context = dg.build_sensor_context(
            instance=platform.instance,
            cursor=cursor,
            repository_def=defs.get_repository_def(),
            sensor_name=sensor.name,
        )
        tick = sensor.evaluate_tick(context)
        cursor = tick.cursor
        assert tick.skip_message == "Open problems: 1. Messages waiting: 0."
    platform.cursor = cursor
    platform.trouble.error = None
    platform.run()
    platform.tick()
    assert len(platform.subjects) == 2
    assert sensor.minimum_interval_seconds == 30
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def sensors():
    return [sensor.name for sensor in build_definitions(Settings.load()).sensors or []]


def test_without_a_channel_there_is_no_sensor(platform, monkeypatch):
    assert keys.ALERTS_SENSOR in sensors()
    for name in ("EMAIL_TO", "EMAIL_FROM", "WEBHOOK_URL"):
        monkeypatch.delenv(f"BIONICPRO_ALERT_{name}")
    monkeypatch.delenv("BIONICPRO_SMTP_URL")
    assert keys.ALERTS_SENSOR not in sensors()


def test_the_command_sends_a_test_through_every_channel(platform):
    done = CliRunner().invoke(app, ["alerts", "test"])
    assert done.exit_code == 0, done.output
    assert done.stdout == "e-mail: sent.\nwebhook: sent.\n"
    assert platform.subjects == ["Test: alerts arrive here"]


def test_the_command_says_which_channel_failed_and_sends_through_the_other(platform, monkeypatch):
    monkeypatch.setenv("BIONICPRO_SMTP_URL", f"smtp://etl:wr0ng@127.0.0.1:{platform.box.port}")
    done = CliRunner().invoke(app, ["alerts", "test"])
    assert done.exit_code == 1
    assert "webhook: sent." in done.output
    assert "e-mail: The mail server" in done.output
    assert "wr0ng" not in done.output
    platform.hook.bodies.clear()


def test_the_command_without_a_channel_says_what_to_set(platform, monkeypatch):
    for name in ("EMAIL_TO", "EMAIL_FROM", "WEBHOOK_URL"):
        monkeypatch.delenv(f"BIONICPRO_ALERT_{name}")
    monkeypatch.delenv("BIONICPRO_SMTP_URL")
    done = CliRunner().invoke(app, ["alerts", "test"])
    assert done.exit_code == 2
    assert "Nobody would be told" in done.output
