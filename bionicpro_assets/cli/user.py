"""`bionicpro user`."""

from pathlib import Path

from bionicpro_assets.cli.console import console
from bionicpro_assets.databases import clickhouse_of
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.access import Role, put_user


def run_user(name: str, role: Role, password_file: Path, only_user: str | None = None) -> None:
    """Make a ClickHouse user with a role of the platform, or give it a new password.

    Raises:
        PlatformError: The file can't be read, or ClickHouse refuses.
    """
    settings = Settings.load()
    try:
        password = password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"{password_file} can't be read: {getattr(error, 'strerror', None) or error}.") from None
    with clickhouse_of(settings) as clickhouse:
        put_user(clickhouse, name, role, password, only_user)
    if only_user is not None:
        console.print(f"Of the reports, {name} sees the rows of {only_user} and no others.", highlight=False)
    console.print(f"{name} has the role bionicpro_{role}, and the password of {password_file}.", highlight=False)
