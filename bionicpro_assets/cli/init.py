"""`bionicpro init`."""

from collections.abc import Sequence

from bionicpro_assets.cli.console import console
from bionicpro_assets.databases import clickhouse_of, crm_of, telemetry_of
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.access import apply_clickhouse_roles
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.embedded import sources_running
from bionicpro_assets.setup.postgres import apply_postgres_schema

TARGETS = ("crm", "telemetry", "clickhouse")
# Not made unless named: the embedded engine has nowhere to keep them.
ROLES = "roles"


def run_init(targets: Sequence[str]) -> None:
    """Apply `sql/` to the databases named, or to all of them.

    Raises:
        PlatformError: A target is unknown, a database can't be reached, or holds somebody else's objects.
    """
    if unknown := [t for t in targets if t not in (*TARGETS, ROLES)]:
        raise PlatformError(f"There is no {', '.join(unknown)} to set up; choose from {', '.join((*TARGETS, ROLES))}.")
    settings = Settings.load()
    with sources_running(settings):
        for target in targets or TARGETS:
            match target:
                case "crm":
                    applied = apply_postgres_schema(crm_of(settings), "crm")
                case "telemetry":
                    source = telemetry_of(settings)
                    applied = apply_postgres_schema(source, "telemetry")
                case "roles":
                    with clickhouse_of(settings) as clickhouse:
                        applied = apply_clickhouse_roles(clickhouse)
                    console.print(f"roles: {len(applied)} files of sql/clickhouse/roles and views of reports applied.")
                    continue
                case _:
                    with clickhouse_of(settings) as clickhouse:
                        applied = apply_clickhouse_schema(clickhouse)
            console.print(f"{target}: {_files(applied)} of sql/{target}/schema applied.")


def _files(applied: Sequence[str]) -> str:
    match len(applied):
        case 0:
            return "up to date, nothing"
        case 1:
            return f"{applied[0]}"
        case many:
            return f"{many} files"
