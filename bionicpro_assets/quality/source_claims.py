"""Claims on the source databases themselves: their views are as contracted, their roll-up is that of the raw rows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from bionicpro_assets.errors import ContractError, NotGrantedError
from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS, HOURLY_TELEMETRY, SourceView
from bionicpro_assets.extract.crm import CUSTOMER_PROSTHESIS_ROWS
from bionicpro_assets.extract.postgres import PostgresSource, Snapshot
from bionicpro_assets.hours import contiguous
from bionicpro_assets.quality.claims import CRM, SECONDS_OF_AN_HOUR, TELEMETRY, Claim
from bionicpro_assets.quality.verdict import Found, HourVerdict, Verdict
from bionicpro_assets.sqlfiles import sql, with_instants

ROLL_UP = "telemetry.hourly_stats"
ROLLED_UP = "rolled_up_as_sent"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VIEWS = {CRM: CUSTOMER_PROSTHESIS, TELEMETRY: HOURLY_TELEMETRY}


def crm_contract() -> Claim:
    """The CRM's view has the columns that are read."""
    return Claim(CRM, "view_as_contracted", f"{CUSTOMER_PROSTHESIS.relation} has the columns and types it should.")


def telemetry_contract() -> Claim:
    """The telemetry's view has the columns that are read."""
    return Claim(TELEMETRY, "view_as_contracted", f"{HOURLY_TELEMETRY.relation} has the columns and types it should.")


def view_verdict(claim: Claim, source: PostgresSource, hours: Sequence[datetime]) -> HourVerdict:
    """Whether the view has the columns that are read, now; said of the newest of the hours.

    Raises:
        SourceError: The database can't be read.
    """
    view: SourceView = VIEWS[claim.table]
    with source.snapshot() as snapshot:
        try:
            view.check(snapshot)
        except ContractError as error:
            return broken_contract(claim, error, hours)
    return Verdict(claim, {max(hours): Found(len(view.columns), 0, [])})


def broken_contract(claim: Claim, error: ContractError, hours: Sequence[datetime]) -> HourVerdict:
    """The verdict that a view isn't what the data contract says."""
    return Verdict(claim, {max(hours): Found(len(VIEWS[claim.table].columns), 1, [str(error)])})


def crm_rows() -> list[Claim]:
    """The CRM's rows, and their values, fit into the extract."""
    return [
        Claim(
            CRM,
            "rows_can_be_kept",
            "Every row of the CRM has numbers and a chip that can be; the extract has no other.",
        ),
        Claim(
            CRM,
            "values_can_be_kept",
            "Every value of the CRM can be kept; others, like a date after 2299, are empty in the extract.",
            "WARN",
        ),
    ]


def crm_rows_verdicts(source: PostgresSource, hours: Sequence[datetime]) -> list[HourVerdict]:
    """Which rows the extract leaves out, and which values empty, by the CRM's answer of now, which all the hours have.

    Raises:
        SourceError: The database can't be read.
    """
    verdicts = []
    with source.snapshot() as snapshot:
        for claim in crm_rows():
            query = sql(f"crm/checks/{claim.name}.sql").replace(":answer", sql(CUSTOMER_PROSTHESIS_ROWS))
            (row,) = snapshot.read(query).to_dicts()
            found = Found(row["checked"], row["failed"], row["sample"] or [])
            verdicts.append(Verdict(claim, dict.fromkeys(hours, found)))
    return verdicts


def no_hour_ahead() -> Claim:
    """Telemetry has no hour that hasn't begun."""
    return Claim(
        TELEMETRY,
        "no_hour_ahead",
        "The source has no hour that hasn't begun; what is stamped so is in no report.",
        "WARN",
        parameters={"minutes": 75},
        of_now=True,
    )


def ahead_verdict(source: PostgresSource, hours: Sequence[datetime]) -> HourVerdict:
    """Which hours the source has that haven't begun, now; said of each of the hours.

    Raises:
        SourceError: The database can't be read.
    """
    with source.snapshot() as snapshot:
        (row,) = snapshot.read(sql("telemetry/checks/no_hour_ahead.sql")).to_dicts()
    return Verdict(no_hour_ahead(), dict.fromkeys(hours, Found(row["checked"], row["failed"], row["sample"] or [])))


def raw_claims() -> list[Claim]:
    """The claims on the roll-up."""
    most = int(SECONDS_OF_AN_HOUR * 1.1)
    return [
        Claim(ROLL_UP, ROLLED_UP, "The hourly counts are those of the raw rows."),
        Claim(ROLL_UP, "raw_rows_sent_once", "No reading of a chip was delivered more than once.", "WARN"),
        Claim(ROLL_UP, "no_reading_ahead", "No reading is stamped later than a quarter of an hour from now.", "WARN"),
        Claim(
            ROLL_UP,
            "raw_rows_within_one_a_second",
            f"No prosthesis has more than {most} raw rows in an hour: it sends about one a second.",
            "WARN",
            parameters={"limit": most},
        ),
    ]


def raw_verdicts(source: PostgresSource, hours: Sequence[datetime]) -> list[HourVerdict]:
    """What the claims on the roll-up find, in the hours of which there are raw rows.

    Where the user may not read the raw rows, nothing is known: the claims fail as warnings that say what to grant.

    Raises:
        SourceError: The database can't be read.
    """
    since, until = contiguous(hours)
    verdicts = []
    try:
        with source.snapshot() as snapshot:
            kept_since, once = _kept_since(snapshot), _each_instant_once(snapshot)
            for claim in raw_claims():
                query = with_instants(
                    sql(f"telemetry/checks/{claim.name}.sql"), since=since, until=until, kept=kept_since
                )
                query = query.replace(":once", "true" if once else "false")
                rows = snapshot.read(query.replace(":limit", str(claim.parameters.get("limit", 0))))
                found = {r["hour_start"]: Found(r["checked"], r["failed"], r["sample"] or []) for r in rows.to_dicts()}
                verdicts.append(Verdict(claim, found))
    except NotGrantedError as error:
        return [_unreadable(claim, error, hours) for claim in raw_claims()]
    return verdicts


def is_known(verdict: HourVerdict) -> bool:
    """Whether the raw rows could be read for this verdict of `raw_verdicts`."""
    return all(found.checked for found in verdict.found.values())


def _kept_since(snapshot: Snapshot) -> datetime:
    """Since when the raw rows are complete; a database without the table that tells it keeps them all."""
    if not snapshot.column_types("telemetry.raw_retention"):
        return EPOCH
    kept: datetime = snapshot.read(sql("telemetry/checks/raw_rows_kept_since.sql")).item()
    return kept


def _each_instant_once(snapshot: Snapshot) -> bool:
    """Whether of several readings of one instant one is counted; a database without the table that tells counts all."""
    if not snapshot.column_types("telemetry.rollup_rules"):
        return False
    return bool(snapshot.read("SELECT each_instant_once FROM telemetry.rollup_rules").item())


def _unreadable(claim: Claim, error: NotGrantedError, hours: Sequence[datetime]) -> HourVerdict:
    grant = "grant SELECT on telemetry.raw_telemetry, telemetry.raw_retention, telemetry.rollup_rules and "
    grant += "telemetry.hourly_stats"
    return Verdict(replace(claim, severity="WARN"), {max(hours): Found(0, 1, [f"{error} To check it, {grant}"])})
