"""The command `bionicpro`. Each command's work is imported when it runs, so that `--help` is quick."""

import os
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from bionicpro_assets import __version__
from bionicpro_assets.cli.stopping import ctrl_c_held_back
from bionicpro_assets.cli.visible import visible
from bionicpro_assets.errors import AnswerError, PlatformError
from bionicpro_assets.folders import keep_private


class _Commands(TyperGroup):
    """All commands. Typer (0.29) shows a wrong choice with words of pydantic's before its own."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    name="bionicpro",
    cls=_Commands,
    help="Prosthesis reports as Dagster assets: two PostgreSQL databases in, one ClickHouse mart out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

# As the shell has it of a program that a signal ended: 128 and SIGPIPE, 128 and SIGINT.
BROKEN_PIPE, STOPPED = 141, 130
EVERYDAY, LOOKING, SETTING_UP = "Every day", "Looking closer", "Setting up"


def _examples(*lines: str) -> str:
    """The end of a command's help. Every paragraph of it becomes a line."""
    return "\n\n".join(["Like this:", *lines])


class Failed(typer.Exit):
    """Ends the command after the error was said: status 1 if the answer is no, 2 if it couldn't be done at all."""

    def __init__(self, error: PlatformError) -> None:
        colour = None if "NO_COLOR" not in os.environ else False
        typer.secho(visible(str(error)), fg=typer.colors.RED, err=True, color=colour)
        super().__init__(1 if isinstance(error, AnswerError) else 2)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    env_file: Annotated[
        Path | None, typer.Option(help="File with settings, in place of .env in the working directory.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version and end.")
    ] = False,
) -> None:
    """Settings come from the environment and from .env; the environment wins."""
    keep_private()
    # Dagster announces what is beta on every import; the versions are pinned, and the tests would notice.
    warnings.filterwarnings("ignore", module="dagster")
    if env_file is not None:
        os.environ["BIONICPRO_ENV_FILE"] = str(env_file.resolve())


@app.command(
    rich_help_panel=EVERYDAY,
    epilog=_examples("bionicpro demo", "bionicpro demo --prostheses 200 --hours 72 --home /tmp/demo"),
)
def demo(
    prostheses: Annotated[int, typer.Option(min=1, max=1_000_000, help="Prostheses in the demo CRM.")] = 30,
    hours: Annotated[int, typer.Option(min=1, max=2160, help="Closed hours of readings to make.")] = 24,
    days: Annotated[int, typer.Option(min=0, max=330, help="Days of history before them; 0 is none.")] = 28,
    seed: Annotated[int, typer.Option(help="The same seed makes the same data.")] = 1,
    home: Annotated[Path, typer.Option(help="Folder for the embedded databases.")] = Path(".bionicpro"),
) -> None:
    """The main job on embedded databases with demo data; ends by showing the mart.

    Again: adds the telemetry since the last time, and loads it.
    """
    with _said(), ctrl_c_held_back():
        from bionicpro_assets.cli.demo import run_demo
        from bionicpro_assets.setup.demo import Fleet

        run_demo(home, Fleet(prostheses, hours, seed, days))


@app.command(rich_help_panel=EVERYDAY, epilog=_examples("bionicpro up", "bionicpro up --port 3001"))
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI, on 127.0.0.1 only.")] = 3000,
) -> None:
    """The Dagster UI with the schedule on, and the embedded databases where they are used. Ctrl-C stops it all."""
    from bionicpro_assets.cli.up import run_up

    with _said():
        run_up(port)


@app.command(rich_help_panel=SETTING_UP, epilog=_examples("bionicpro init clickhouse", "bionicpro init roles"))
def init(
    targets: Annotated[
        list[str] | None, typer.Argument(help="crm, telemetry, clickhouse (all three if none is named); roles.")
    ] = None,
) -> None:
    """Make schemas, tables and views; safe to repeat, and never over what somebody else made.

    On databases that exist already, only the mart is needed: [bold]bionicpro init clickhouse[/bold].
    On a ClickHouse server, [bold]roles[/bold] makes the roles etl, report_reader and metrics.
    """
    from bionicpro_assets.cli.init import run_init

    with _said():
        run_init(targets or [])


@app.command(
    rich_help_panel=SETTING_UP,
    epilog=_examples("bionicpro user reports_api --role report_reader --password-file password.txt"),
)
def user(
    name: Annotated[str, typer.Argument(help="The ClickHouse user.")],
    role: Annotated[Literal["etl", "report_reader", "metrics"], typer.Option(help="What the user may do.")],
    password_file: Annotated[Path, typer.Option(help="File with the user's password.")],
    only_user: Annotated[
        str | None, typer.Option(help="With report_reader: the one user_id whose rows of the reports it sees.")
    ] = None,
) -> None:
    """Make a ClickHouse user with one of the platform's roles, or give it a new password; run by an administrator.

    The roles are made by [bold]bionicpro init roles[/bold].
    """
    from bionicpro_assets.cli.user import run_user

    with _said():
        run_user(name, role, password_file, only_user)


@app.command(
    rich_help_panel=EVERYDAY,
    epilog=_examples(
        "bionicpro materialize",
        "bionicpro materialize --from 2026-11-23T08:00 --to 2026-11-23T20:00 --json",
        "bionicpro materialize --from 2026-11-23T08:00 --to 2026-11-23T20:00 --wearers-as-of-now --chip CHIP-000001",
    ),
)
def materialize(
    first: Annotated[
        str | None,
        typer.Option("--from", help="First hour, like 2026-11-24T08:00 (UTC). Default: the lookback."),
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last hour, included. Default: the open hour.")] = None,
    wearers_as_of_now: Annotated[
        bool,
        typer.Option(
            "--wearers-as-of-now",
            help="Give these hours to the wearers that the CRM names now, whatever is known of the hours: to correct "
            "a mistake that the CRM had made. Needs --from and --to.",
        ),
    ] = False,
    chip: Annotated[
        list[str] | None,
        typer.Option(help="With --wearers-as-of-now: only this chip; can be repeated. Default: all chips."),
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object a run, for scripts; then one a row that has another wearer."),
    ] = False,
) -> None:
    """Run the job bionicpro_reports_etl over a window of hours, here and now. Status 1 if it fails."""
    now = datetime.now(UTC)
    with _said(), ctrl_c_held_back():
        # Before Dagster is imported, which takes seconds: a wrong hour is said at once.
        _check_period(first, last, now)
        from bionicpro_assets.cli.materialize import run_materialize

        run_materialize(first, last, now, as_of_now=wearers_as_of_now, chips=chip or [], as_json=json)


@app.command(
    rich_help_panel=LOOKING,
    epilog=_examples(
        "bionicpro verify",
        "bionicpro verify --all",
        "bionicpro verify --from 2026-11-01T00:00 --to 2026-11-02T23:00 --json",
    ),
)
def verify(
    first: Annotated[
        str | None, typer.Option("--from", help="First hour, like 2026-11-24T08:00 (UTC). Default: the lookback.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last hour, included. Default: the last closed hour.")
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="All hours that are kept, in place of a period.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a differing row, for scripts, and one at the end.")
    ] = False,
) -> None:
    """Compare the mart with the sources as they are now, row by row. Status 1 if they differ."""
    now = datetime.now(UTC)
    with _said():
        _check_period(first, last, now)
        from bionicpro_assets.cli.verify import run_verify

        if whole and (first or last):
            raise typer.BadParameter("--all is all hours that are kept: leave --from and --to out.")
        run_verify(first, last, now, whole=whole, as_json=json)


@app.command(
    rich_help_panel=LOOKING,
    epilog=_examples("bionicpro compare --with airflow.user_prosthesis_stats --from 2026-11-20"),
)
def compare(
    other: Annotated[str, typer.Option("--with", help="The other table in the same ClickHouse, as database.table.")],
    first: Annotated[str | None, typer.Option("--from", help="First day, like 2026-11-24. Default: all.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, included.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a differing row, for scripts.")] = False,
) -> None:
    """Compare the mart with another table of the same contract: doubled, missing, changed, and why. Status 1 if so.

    For moving over from the Airflow DAG: rename its table, and let both run side by side for a while.
    """
    from bionicpro_assets.cli.compare import run_compare

    with _said():
        run_compare(other, first, last, as_json=json)


@app.command(
    rich_help_panel=LOOKING,
    epilog=_examples(
        'bionicpro query "SELECT report_date, count() FROM reports.user_prosthesis_stats GROUP BY 1 ORDER BY 1"',
        "bionicpro query --file report.sql --format parquet > rows.parquet",
    ),
)
def query(
    statement: Annotated[str | None, typer.Argument(help="A SELECT on ClickHouse; - for standard input.")] = None,
    file: Annotated[Path | None, typer.Option(help="File with the SELECT.")] = None,
    form: Annotated[
        Literal["table", "tsv", "csv", "jsonl", "markdown", "parquet"] | None,
        typer.Option("--format", help="How to print the rows. Default: a table for a terminal, else tsv."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a row, for scripts: --format jsonl.")] = False,
) -> None:
    """Ask the mart, read-only.

    On a terminal that is too narrow for the table, every row is a block.
    """
    from bionicpro_assets.cli.query import run_query

    with _said():
        run_query(statement, file, "jsonl" if json else form)


@app.command(
    rich_help_panel=EVERYDAY,
    epilog=_examples(
        "bionicpro report --user user_0005 --from 2026-11-01 --to 2026-11-30 --lang ru",
        "bionicpro report --fleet --out - > fleet.html",
    ),
)
def report(
    user: Annotated[str | None, typer.Option(help="The patient's login in the CRM.")] = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="All prostheses, without naming a patient.")] = False,
    first: Annotated[
        str | None, typer.Option("--from", help="First day, like 2026-11-01. Default: 14 days; 7 of the fleet.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, included. Default: today.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file; - for standard output. Default: one of its own in BIONICPRO_HOME/reports."),
    ] = None,
    lang: Annotated[Literal["en", "ru"], typer.Option(help="The page's language.")] = "en",
) -> None:
    """Write a page to look at and to print: one HTML file that needs no network."""
    from bionicpro_assets.cli.report import run_report

    with _said():
        run_report(user, first, last, datetime.now(UTC), fleet=fleet, out=out, lang=lang)


@app.command(rich_help_panel=EVERYDAY, epilog=_examples("bionicpro status", "bionicpro status --json"))
def status(
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """What is materialised, how fresh the mart is, and how the last runs ended."""
    from bionicpro_assets.cli.status import run_status

    with _said():
        run_status(datetime.now(UTC), as_json=json)


@app.command(rich_help_panel=LOOKING, epilog=_examples("bionicpro doctor", "bionicpro doctor --json"))
def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object a finding, for scripts.")] = False,
) -> None:
    """Look at everything that must be right, and say what to do where it isn't. Status 1 if there is a problem.

    Settings, databases, rights, clocks, disk, tables, the hours of the last day, the daemon, the queue, the last runs.
    """
    from bionicpro_assets.cli.doctor import run_doctor

    with _said():
        run_doctor(datetime.now(UTC), as_json=json)


@app.command(rich_help_panel=LOOKING, epilog=_examples("bionicpro metrics", "bionicpro metrics --once"))
def metrics(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 9464,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds a scrape may take; a source that takes longer is left out.")
    ] = 8.0,
    once: Annotated[bool, typer.Option("--once", help="Print them and end; status 1 if a source failed.")] = False,
) -> None:
    """Metrics in Prometheus' text format: runs, daemons, freshness, checks, the tables. Ctrl-C stops it."""
    from bionicpro_assets.cli.metrics import run_metrics

    with _said():
        run_metrics(host, port, timeout, once=once)


alerts = typer.Typer(help="Messages about failed runs, failed checks and stale assets.", no_args_is_help=True)
app.add_typer(alerts, name="alerts", rich_help_panel=SETTING_UP)


@alerts.command(epilog=_examples("bionicpro alerts test"))
def test() -> None:
    """Send a test message through every configured channel. Status 1 if one doesn't take it."""
    from bionicpro_assets.cli.alerts import run_alerts_test

    with _said():
        run_alerts_test(datetime.now(UTC))


def _check_period(first: str | None, last: str | None, now: datetime) -> None:
    from bionicpro_assets.period import period
    from bionicpro_assets.settings import Settings

    period(Settings.load(), first, last, now)


class _said:  # noqa: N801 - reads as a word at its use
    """Says an error of the platform in its own words, without a traceback, and ends with a status that tells."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                sys.stdout.flush()
            except BrokenPipeError as broken:
                error = broken
        if isinstance(error, BrokenPipeError):
            # Whoever reads has enough, as in `… | head`. Nothing more can be said to them, at the end neither.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(BROKEN_PIPE)
        if isinstance(error, PlatformError):
            raise Failed(error) from None
        if isinstance(error, KeyboardInterrupt):
            typer.secho("Stopped.", err=True)
            sys.exit(STOPPED)


if __name__ == "__main__":
    app()
