"""Settings: one object, from the environment or a `.env` file, validated as a whole."""

import difflib
import logging
import os
from collections.abc import Mapping
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from bionicpro_assets.errors import SettingsError
from bionicpro_assets.setting_values import (
    Addressees,
    ClickHouseUrl,
    Hour,
    PostgresUrl,
    Sender,
    SmtpUrl,
    TimeZone,
    WebhookUrl,
    WebUrl,
)

# What example files hold in place of a secret.
PLACEHOLDER = "change-me"

# It says of a line that it can't read, and not of which file; here that is one of the problems.
logging.getLogger("dotenv.main").setLevel(logging.ERROR)


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


class Settings(BaseSettings):
    """Everything a person can set. Each field's alias is the name of its environment variable."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True, case_sensitive=True
    )

    crm_db_url: PostgresUrl = Field(
        alias="BIONICPRO_CRM_DB_URL",
        description="The CRM database: postgresql://user:password@host:port/database",
    )
    telemetry_db_url: PostgresUrl = Field(
        alias="BIONICPRO_TELEMETRY_DB_URL",
        description="The telemetry database: postgresql://user:password@host:port/database",
    )
    clickhouse_url: ClickHouseUrl = Field(
        alias="BIONICPRO_CLICKHOUSE_URL",
        description="ClickHouse: http(s)://user:password@host:port/reports, or chdb:///folder for the embedded engine",
    )
    clickhouse_cluster: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")] | None = Field(
        None,
        alias="BIONICPRO_CLICKHOUSE_CLUSTER",
        description="The cluster of ClickHouse servers, by its name in remote_servers; none is a single server",
    )
    lookback_hours: int = Field(
        2,
        ge=0,
        le=168,
        alias="ETL_LOOKBACK_HOURS",
        description="How many hours before now a scheduled refresh loads again, besides the open hour",
    )
    max_catchup_hours: int = Field(
        168,
        ge=0,
        le=8760,
        alias="BIONICPRO_MAX_CATCHUP_HOURS",
        description="How many hours back missing hours are caught up with, and loaded ones compared; 0 is not at all",
    )
    fresh_minutes: int = Field(
        40,
        ge=15,
        le=10_080,
        alias="BIONICPRO_FRESH_MINUTES",
        description="Minutes without a load after which an asset gets a warning; after twice as many it fails",
    )
    batch_size: int = Field(
        10_000,
        ge=1,
        le=10_000_000,
        alias="ETL_BATCH_SIZE",
        description="Rows in one Arrow batch on the way to ClickHouse",
    )
    chunk_rows: int = Field(
        100_000,
        ge=1,
        alias="BIONICPRO_CHUNK_ROWS",
        description="Rows that a run works on at once, if they are of more than one hour; memory grows with it",
    )
    hours_per_run: int = Field(
        720,
        ge=1,
        le=2208,
        alias="BIONICPRO_HOURS_PER_RUN",
        description="Hours in one run of a backfill or of a long load; a run should end well within half an hour",
    )
    partitions_start: Hour = Field(
        datetime.fromisoformat("2026-01-01T00:00:00+00:00"),
        alias="BIONICPRO_PARTITIONS_START",
        description="The first hour there is a partition for, like 2026-01-01T00:00 (UTC)",
    )
    report_timezone: TimeZone = Field(
        "UTC",
        alias="BIONICPRO_REPORT_TIMEZONE",
        description="IANA time zone that report_date and report_hour are in",
    )
    rollup: Literal["platform", "external"] = Field(
        "platform",
        alias="BIONICPRO_ROLLUP",
        description="Who runs the hourly roll-up of telemetry: this platform, or somebody else (external)",
    )
    sweep_grace_hours: float = Field(
        2,
        ge=0.1,
        le=720,
        alias="BIONICPRO_SWEEP_GRACE_HOURS",
        description="How long rows are kept after a newer publication replaced them; longer than any query takes",
    )
    max_crm_shrink_percent: float = Field(
        20,
        ge=0,
        le=100,
        alias="BIONICPRO_MAX_CRM_SHRINK_PERCENT",
        description="How many percent of its fitted prostheses the CRM may lose at once and still be published",
    )
    max_assumed_percent: float = Field(
        10,
        ge=0,
        le=100,
        alias="BIONICPRO_MAX_ASSUMED_PERCENT",
        description="How many percent of an hour's chips may have a wearer that the CRM didn't name in the hour",
    )
    max_unknown_chip_percent: float = Field(
        1,
        ge=0,
        le=100,
        alias="BIONICPRO_MAX_UNKNOWN_CHIP_PERCENT",
        description="How many percent of an hour's telemetry may have no wearer before a check warns",
    )
    max_unattributed_percent: float = Field(
        50,
        ge=0,
        le=100,
        alias="BIONICPRO_MAX_UNATTRIBUTED_PERCENT",
        description="The same, before the hour isn't published: from 20 rows on",
    )
    max_response_ms: int = Field(
        5000,
        ge=1,
        alias="BIONICPRO_MAX_RESPONSE_MS",
        description="The longest response time that is plausible, in milliseconds",
    )
    silent_days: int = Field(
        7,
        ge=1,
        le=28,
        alias="BIONICPRO_SILENT_DAYS",
        description="On how many days in a row a prosthesis must have sent in an hour to be missed when it is silent",
    )
    volume_band_percent: float = Field(
        50,
        ge=0,
        le=1000,
        alias="BIONICPRO_VOLUME_BAND_PERCENT",
        description="How many percent more or fewer prostheses than in the weeks before may send in an hour",
    )
    max_age_minutes: int = Field(
        75,
        ge=1,
        alias="BIONICPRO_MAX_AGE_MINUTES",
        description="How old the newest hour of telemetry and mart may be, in minutes after it ended",
    )
    alert_email_to: Addressees | None = Field(
        None,
        alias="BIONICPRO_ALERT_EMAIL_TO",
        description="Who gets an e-mail when something is wrong, and when it is over; addresses separated by commas",
    )
    alert_email_from: Sender | None = Field(
        None,
        alias="BIONICPRO_ALERT_EMAIL_FROM",
        description="The sender of these e-mails",
    )
    smtp_url: SmtpUrl | None = Field(
        None,
        alias="BIONICPRO_SMTP_URL",
        description="The mail server for them: smtp://user:password@host:587?starttls=required, or smtps://…:465",
    )
    alert_webhook_url: WebhookUrl | None = Field(
        None,
        alias="BIONICPRO_ALERT_WEBHOOK_URL",
        description='Where the same messages are posted as {"text": …}: an incoming webhook of Slack or the like',
    )
    ui_url: WebUrl | None = Field(
        None,
        alias="BIONICPRO_UI_URL",
        description="Where people reach the Dagster UI, for links in messages",
    )
    home: Path = Field(
        Path(".bionicpro"),
        alias="BIONICPRO_HOME",
        description="Folder of the embedded databases and of Dagster's own storage",
    )
    pages: Path | None = Field(
        None,
        alias="BIONICPRO_PAGES",
        description="Folder for the fleet's page of every day, for others to read; by default `pages` in "
        "BIONICPRO_HOME, for nobody else",
    )
    pages_days: int = Field(
        365,
        ge=1,
        alias="BIONICPRO_PAGES_DAYS",
        description="How many days back the fleet's pages are kept; like the rows of the mart",
    )
    pages_url: WebUrl | None = Field(
        None,
        alias="BIONICPRO_PAGES_URL",
        description="Where people reach that folder with a browser, for links in the Dagster UI",
    )
    embedded_postgres: bool = Field(
        False,
        alias="BIONICPRO_EMBEDDED_POSTGRES",
        description="Start the PostgreSQL server under BIONICPRO_HOME for as long as a command needs it",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_placeholder(cls, value: Any, info: ValidationInfo) -> Any:
        secret = _is_secret(cls.model_fields[str(info.field_name)].annotation)
        if secret and isinstance(value, str) and PLACEHOLDER in value:
            raise ValueError(f"still holds the example value ({PLACEHOLDER}); put the real one in its place")
        return value

    @field_validator("clickhouse_cluster")
    @classmethod
    def _cluster_of_servers(cls, value: str | None, info: ValidationInfo) -> str | None:
        url = info.data.get("clickhouse_url")
        if value and url is not None and url.get_secret_value().startswith("chdb:"):
            raise ValueError("is set, and BIONICPRO_CLICKHOUSE_URL is the embedded engine, which is in no cluster")
        return value

    @classmethod
    def load(cls, env_file: Path | None = None) -> Self:
        """Read the settings: `env_file` (or `BIONICPRO_ENV_FILE`, or `.env` here), the environment over it.

        Raises:
            SettingsError: Anything is missing, wrong or misspelt; all of it at once, and no value shown.
        """
        path = env_file or Path(os.environ.get("BIONICPRO_ENV_FILE", ".env"))
        problems = []
        if not path.is_file() and (env_file or "BIONICPRO_ENV_FILE" in os.environ):
            problems.append(f"{path}: there is no such file")
        known = {**setting_names(), **secret_file_names()}
        written, wrong_lines = _written_in(path) if path.is_file() else ({}, [])
        problems += wrong_lines
        names = {**(written or {}), **os.environ}
        problems += [problem for name in sorted(names) if name not in known and (problem := _misspelt(name, known))]
        from_files, wrong_files = _secrets_from_files(names)
        problems += wrong_files.values()
        given = {name for source in (written or {}, os.environ) for name, value in source.items() if value}
        problems += _incomplete(given | {name for file, name in secret_file_names().items() if file in given})
        try:
            # pydantic-settings takes this argument beside the fields; its mypy plugin knows only the fields.
            readable = None if written is None else path
            settings = cls(_env_file=readable, _env_file_encoding="utf-8", **from_files)
        except ValidationError as error:
            problems += [
                _in_words(e["loc"], e["type"], e["msg"])
                for e in error.errors(include_input=False)
                if str(e["loc"][0]) not in wrong_files
            ]
        if problems:
            raise SettingsError(problems) from None
        return settings

    @property
    def pages_folder(self) -> Path:
        """The folder for the fleet's page of every day."""
        return (self.pages or self.home / "pages").resolve()

    def secret(self, name: str) -> str:
        """The value of the secret setting with this name, in clear: for connecting, never for showing."""
        field = next(f for f, info in type(self).model_fields.items() if info.alias == name)
        secret: SecretStr = getattr(self, field)
        return secret.get_secret_value()


def setting_names() -> dict[str, str]:
    """Every setting's environment variable and description, in order, and the one that names the file."""
    names = {str(f.alias): f.description or "" for f in Settings.model_fields.values()}
    return names | {"BIONICPRO_ENV_FILE": "File with settings, in place of .env in the working directory"}


def _written_in(path: Path) -> tuple[dict[str, str | None] | None, list[str]]:
    """What a file of settings holds, None if it can't be read, and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it isn't text in UTF-8"
        return None, [f"{path}: can't be read: {reason}"]
    wrong = []
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            # Its line is that of the blank ones before it.
            written = binding.original.string
            blank = len(written) - len(written.lstrip())
            line = binding.original.line + written.count("\n", 0, blank)
            wrong.append(f"{path}: line {line} isn't like NAME=value")
    return dotenv_values(stream=StringIO(text)), wrong


def _incomplete(names: set[str]) -> list[str]:
    """Settings that only make sense together. Looked at beside the fields, so that all is said at once."""
    to, sender, server = "BIONICPRO_ALERT_EMAIL_TO", "BIONICPRO_ALERT_EMAIL_FROM", "BIONICPRO_SMTP_URL"
    given = {to, sender, server} & names
    if to in given:
        return [
            f"{name}: is not set, and {to} is. {setting_names()[name]}"
            for name in (sender, server)
            if name not in given
        ]
    return [f"{name}: is set, and {to} isn't: nobody would get an e-mail" for name in (sender, server) if name in given]


def secret_file_names() -> dict[str, str]:
    """`NAME_FILE` and `NAME` of every secret setting: the file's content is the value, as Docker secrets have it."""
    secrets = (str(f.alias) for f in Settings.model_fields.values() if _is_secret(f.annotation))
    return {f"{name}_FILE": name for name in secrets}


def _secrets_from_files(values: Mapping[str, str | None]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values read from files, by setting, and what is wrong with the others, by setting."""
    found: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for file_name, name in secret_file_names().items():
        file = values.get(file_name)
        if not file:
            continue
        if values.get(name):
            wrong[name] = f"{name}: is set, and so is {file_name}; set one of them."
            continue
        try:
            content = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it isn't text"
            wrong[name] = f"{file_name}: {file} can't be read: {reason}."
            continue
        if content:
            found[name] = content
        else:
            wrong[name] = f"{file_name}: {file} is empty."
    return found, wrong


def _misspelt(name: str, known: Mapping[str, str]) -> str | None:
    if not name.startswith(("BIONICPRO_", "ETL_")):
        return None
    # ETL_ is anybody's prefix: there, only what looks like one of ours is taken for a slip.
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6 if name.startswith("BIONICPRO_") else 0.85)
    if name.startswith("BIONICPRO_") or close:
        return f"{name}: there is no such setting" + (f"; did you mean {close[0]}?" if close else "")
    return None


def _in_words(location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = str(location[0]) if location else "settings"
    if kind == "missing":
        return f"{name}: is not set. {setting_names().get(name, '')}".rstrip()
    return f"{name}: {message.removeprefix('Value error, ')}"
