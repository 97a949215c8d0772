"""What the extracts rely on in the source views, checked against the catalog before every read."""

from collections.abc import Mapping
from dataclasses import dataclass

from bionicpro_assets.errors import ContractError
from bionicpro_assets.extract.postgres import Snapshot

INTEGER = frozenset({"smallint", "integer", "bigint"})
# An integer is a number too; so is numeric, which the deployed view rounds its averages to.
NUMBER = INTEGER | {"numeric", "real", "double precision"}
TEXT = frozenset({"text", "character varying", "character"})
INSTANT = frozenset({"timestamp with time zone"})

Kind = frozenset[str]


@dataclass(frozen=True, slots=True)
class SourceView:
    """A view of a source database, and the columns that are read from it."""

    relation: str
    columns: Mapping[str, Kind]

    def check(self, snapshot: Snapshot) -> None:
        """Compare with the catalog.

        Raises:
            ContractError: The view is missing, or columns are missing or of another type; all of them named.
        """
        place, actual = snapshot.source.place, snapshot.column_types(self.relation)
        if not actual:
            raise ContractError(
                f"{place}: there is no {self.relation}, or the user of {snapshot.source.setting} may not see it."
            )
        problems = [
            f"column {name} is missing"
            if name not in actual
            else f"column {name} is {actual[name]} and should be {_any_of(kind)}"
            for name, kind in self.columns.items()
            if actual.get(name) not in kind
        ]
        if problems:
            raise ContractError(f"{place}: {self.relation} isn't what the data contract says: {'; '.join(problems)}.")


def _any_of(kind: Kind) -> str:
    names = sorted(kind)
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


CUSTOMER_PROSTHESIS = SourceView(
    "crm.v_customer_prosthesis",
    {
        "customer_id": INTEGER,
        "user_id": TEXT,
        "customer_full_name": TEXT,
        "email": TEXT,
        "region": TEXT,
        "branch": TEXT,
        "prosthesis_id": INTEGER,
        "prosthesis_serial": TEXT,
        "chip_id": TEXT,
        "prosthesis_status": TEXT,
        "prosthesis_model": TEXT,
        "prosthesis_category": TEXT,
        "customer_updated_at": INSTANT,
        "prosthesis_updated_at": INSTANT,
    },
)

HOURLY_TELEMETRY = SourceView(
    "telemetry.v_hourly_telemetry",
    {
        "hour_start": INSTANT,
        "chip_id": TEXT,
        "movements_count": INTEGER,
        "successful_movements": INTEGER,
        "success_rate": NUMBER,
        "avg_response_time": NUMBER,
        "min_response_time": INTEGER,
        "max_response_time": INTEGER,
        "avg_battery_level": NUMBER,
        "min_battery_level": INTEGER,
        "max_battery_level": INTEGER,
        "avg_actuator_temp": NUMBER,
        "max_actuator_temp": NUMBER,
        "error_count": INTEGER,
        "warning_count": INTEGER,
        "avg_myo_amplitude": NUMBER,
        "avg_connection_quality": NUMBER,
        "updated_at": INSTANT,
    },
)
