"""What is claimed of the data: each a name, a sentence, how bad it is if it isn't so, and the SQL that would find it.

The SQL is `sql/clickhouse/checks/<name>.sql`, one row an hour: `hour_seconds`, `checked`, `failed` (how many of those
checked offend), `sample` (some of them in words, without a person's name or address). `:rows` in it is the table that
the claim is about, `:telemetry`, `:crm` and `:rejected` are the others; see evaluate.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bionicpro_assets.settings import Settings

CRM = "staging.crm_customer_prosthesis"
TELEMETRY = "staging.hourly_telemetry"
REJECTED = "quarantine.rejected_telemetry"
MART = "reports.user_prosthesis_stats"

SECONDS_OF_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that must be so.

    Attributes:
        table: The public name of the table it is about.
        name: Its name in Dagster; its SQL file is named so too, unless `query` says otherwise.
        words: The claim, for a reader of the UI.
        severity: ERROR if numbers may be wrong, WARN if somebody should look.
        blocking: Whether it is checked on the rows of a publication before they become visible, and keeps them from it.
        parameters: The thresholds that the SQL takes.
        query: The name of the SQL file, where one serves two tables.
        screen: The column of the table's audit, `sql/clickhouse/audits/`, that counts rows which this claim, and maybe
            others, could find: where it is 0 the claim holds. Thresholds are named `<claim>_<name>` in the audit.
        hourly: Whether what it finds in an hour depends on the rows of that hour only, so that a long window can be
            worked through in parts.
        of_now: Whether it is about the present, whatever hours a run is for.
    """

    table: str
    name: str
    words: str
    severity: Literal["ERROR", "WARN"] = "ERROR"
    blocking: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""
    screen: str = ""
    hourly: bool = True
    of_now: bool = False

    @property
    def file(self) -> str:
        """The path of its SQL under `sql/`."""
        return f"clickhouse/checks/{self.query or self.name}.sql"


def claims(settings: Settings) -> list[Claim]:
    """Every claim, with the thresholds of these settings."""
    return [*_of_the_crm(settings), *_of_telemetry(settings), *_of_the_quarantine(settings), *_of_the_mart(settings)]


def _of_the_crm(settings: Settings) -> list[Claim]:
    return [
        Claim(
            CRM,
            "one_wearer_per_chip",
            "In every hour a chip has one wearer at most.",
            blocking=True,
            screen="shared_chips",
        ),
        Claim(
            CRM,
            "crm_not_shrunk",
            f"The CRM hasn't lost more than {settings.max_crm_shrink_percent:g} % of its fitted prostheses at once.",
            blocking=True,
            parameters={"share": settings.max_crm_shrink_percent / 100},
            screen="ended_chips",
        ),
        Claim(
            CRM,
            "every_person_has_a_login_and_name",
            "Every customer has a login, a name and an e-mail address.",
            "WARN",
            screen="odd_people",
        ),
        Claim(CRM, "one_prosthesis_per_chip", "The CRM names one prosthesis for a chip.", "WARN", screen="odd_people"),
        Claim(
            CRM,
            "wearers_named",
            "The CRM named the wearers in the hour itself, for all but "
            f"{settings.max_assumed_percent:g} % of the chips.",
            "WARN",
            parameters={"share": settings.max_assumed_percent / 100},
            screen="assumed_wearers",
        ),
    ]


def _of_telemetry(settings: Settings) -> list[Claim]:
    # A tenth more than one row a second: clocks of prostheses run a little fast or slow.
    most = int(SECONDS_OF_AN_HOUR * 1.1)
    return [
        Claim(
            TELEMETRY,
            "one_row_per_chip_and_hour",
            "Telemetry has one row for a chip and hour, but for half of the rows of a run at most.",
            blocking=True,
            parameters={"share": 0.5},
            screen="doubled_chips",
        ),
        Claim(TELEMETRY, "no_hour_from_the_future", "No hour is later than now.", blocking=True, screen="odd_values"),
        Claim(
            TELEMETRY,
            "no_stamp_from_the_future",
            "No row's time of last change is later than now.",
            "WARN",
            screen="odd_values",
        ),
        *_values(TELEMETRY, blocking=False),
        Claim(
            TELEMETRY,
            "counts_within_one_a_second",
            f"Nothing is counted more than {most} times in an hour: a prosthesis sends about one row a second.",
            "WARN",
            parameters={"limit": most},
            screen="odd_values",
        ),
        Claim(
            TELEMETRY,
            "response_times_plausible",
            f"No response took longer than {settings.max_response_ms} ms.",
            "WARN",
            parameters={"limit": settings.max_response_ms},
            screen="odd_values",
        ),
        Claim(
            TELEMETRY,
            "temperatures_plausible",
            "Actuators are between -40 and 120 degrees.",
            "WARN",
            parameters={"low": -40, "high": 120},
            screen="odd_values",
        ),
        Claim(
            TELEMETRY,
            "no_prosthesis_silent",
            "No prosthesis in use is silent for three hours in which it sent on each of the last "
            f"{settings.silent_days} days.",
            "WARN",
            parameters={"days": settings.silent_days},
            hourly=False,
        ),
        Claim(
            TELEMETRY,
            "volume_as_usual",
            "About as many prostheses send as in the same hour of the weeks before, give or take "
            f"{settings.volume_band_percent:g} %.",
            "WARN",
            parameters={"share": settings.volume_band_percent / 100},
        ),
        Claim(
            TELEMETRY,
            "hour_not_shrunk",
            "An hour that is over hasn't lost half of the rows it once had.",
            "WARN",
            parameters={"share": 0.5},
        ),
        Claim(
            TELEMETRY,
            "source_is_fresh",
            f"The newest telemetry is at most {settings.max_age_minutes} minutes old, but for the usual quiet hours.",
            "WARN",
            parameters={"minutes": settings.max_age_minutes},
            hourly=False,
            of_now=True,
        ),
    ]


def _of_the_quarantine(settings: Settings) -> list[Claim]:
    return [
        Claim(
            REJECTED,
            "every_chip_known",
            f"Nearly all telemetry has a wearer: at most {settings.max_unknown_chip_percent:g} % of an hour has none.",
            "WARN",
            parameters={"share": settings.max_unknown_chip_percent / 100, "least": 1},
            screen="unknown_chips",
        ),
        Claim(
            REJECTED,
            "most_telemetry_attributed",
            f"At most {settings.max_unattributed_percent:g} % of an hour has no wearer: else the CRM is to blame.",
            blocking=True,
            parameters={"share": settings.max_unattributed_percent / 100, "least": 20},
            screen="unattributed",
            query="every_chip_known",
        ),
        Claim(
            REJECTED,
            "no_value_rejected",
            "No telemetry is set aside for impossible values.",
            "WARN",
            screen="rejected_values",
        ),
    ]


def _of_the_mart(settings: Settings) -> list[Claim]:
    return [
        Claim(
            MART,
            "one_row_per_prosthesis_and_hour",
            "The mart has one row per prosthesis and hour.",
            blocking=True,
            screen="doubled_prostheses",
        ),
        Claim(
            MART,
            "nothing_lost_nothing_doubled",
            "Every row of telemetry is in the mart or in the quarantine, once, with the same counts.",
            blocking=True,
            screen="unaccounted",
        ),
        Claim(
            MART,
            "right_wearer",
            "Every row has the wearer whom the CRM extract has for the hour.",
            blocking=True,
            screen="other_wearers",
        ),
        Claim(
            MART,
            "numbers_as_measured",
            "Every number is the one that was measured.",
            blocking=True,
            screen="unaccounted",
        ),
        Claim(
            MART,
            "report_hour_is_local",
            f"Date and hour of every row are those of {settings.report_timezone}.",
            blocking=True,
            parameters={"zone": settings.report_timezone},
            screen="odd_values",
        ),
        Claim(MART, "every_hour_has_a_person", "Every row has a login and a name.", blocking=True, screen="odd_values"),
        Claim(MART, "no_hour_from_the_future", "No hour is later than now.", blocking=True, screen="odd_values"),
        *_values(MART, blocking=True),
        Claim(MART, "mart_as_contracted", "The mart begins with the thirteen columns that reports read.", hourly=False),
        Claim(
            MART,
            "mart_is_fresh",
            f"The newest hour of the mart ended, and was read, at most {settings.max_age_minutes} minutes ago.",
            parameters={"minutes": settings.max_age_minutes},
            hourly=False,
            of_now=True,
        ),
    ]


def _values(table: str, *, blocking: bool) -> list[Claim]:
    """Claims on single values. In telemetry they are found and set aside; in the mart there must be none."""
    missing = {"zero_is_missing": int(table == MART)}
    return [
        Claim(
            table,
            "successful_within_movements",
            "No more movements succeeded than there were.",
            blocking=blocking,
            parameters=missing,
            screen="odd_values",
        ),
        Claim(
            table,
            "percentages_within_0_and_100",
            "Every percentage is between 0 and 100.",
            blocking=blocking,
            screen="odd_values",
        ),
        Claim(
            table,
            "minimum_average_maximum_in_order",
            "A minimum isn't above its average, and an average isn't above its maximum.",
            blocking=blocking,
            parameters=missing,
            screen="odd_values",
        ),
        Claim(
            table,
            "values_possible",
            "No count or time is negative, and all are numbers.",
            blocking=blocking,
            screen="odd_values",
        ),
    ]
