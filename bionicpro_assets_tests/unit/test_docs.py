"""The documentation against the code: what it names exists, and what exists is named."""

import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bionicpro_assets.cli.main import app
from bionicpro_assets.quality.claims import Claim, claims
from bionicpro_assets.quality.daily import daily_claims
from bionicpro_assets.quality.source_claims import crm_contract, crm_rows, no_hour_ahead, raw_claims, telemetry_contract
from bionicpro_assets.quality.stored import published_claim
from bionicpro_assets.settings import Settings, setting_names
from bionicpro_assets.sqlfiles import SQL_ROOT, sql

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHECKS = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "README.ru.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]

CONTRACT = {
    "user_id": "String",
    "prosthesis_id": "UInt32",
    "chip_id": "String",
    "report_date": "Date",
    "report_hour": "UInt8",
    "customer_name": "String",
    "prosthesis_model": "String",
    "movements_count": "UInt32",
    "successful_movements": "UInt32",
    "avg_response_time": "Float32",
    "avg_battery_level": "Float32",
    "error_count": "UInt32",
    "etl_processed_at": "DateTime",
    "customer_email": "String",
    "customer_region": "LowCardinality(String)",
    "customer_branch": "String",
    "prosthesis_category": "LowCardinality(String)",
    "prosthesis_serial": "String",
    "success_rate": "Float32",
    "min_response_time": "UInt32",
    "max_response_time": "UInt32",
    "min_battery_level": "UInt8",
    "max_battery_level": "UInt8",
    "avg_actuator_temp": "Float32",
    "max_actuator_temp": "Float32",
    "warning_count": "UInt32",
    "avg_connection_quality": "Float32",
    "avg_myo_amplitude": "Float32",
    "source_updated_at": "DateTime",
}


def settings_rows() -> list[str]:
    """The table of settings in docs/settings.md, as it must be."""
    defaults = {}
    for field in Settings.model_fields.values():
        if field.default is None:
            continue
        default = "" if field.is_required() else field.default
        if field.alias == "BIONICPRO_PARTITIONS_START":
            default = f"{default:%Y-%m-%dT%H:%M}"
        defaults[field.alias] = str(default).lower() if isinstance(default, bool) else str(default)
    return [
        f"| `{name}` | {f'`{defaults[name]}`' if defaults.get(name) else 'required' if name in defaults else ''} | {text} |"
        for name, text in setting_names().items()
    ]


def check_rows() -> list[str]:
    """The table of claims in docs/checks.md, as it must be."""
    settings = defaults()
    every = [
        *claims(settings),
        crm_contract(),
        *crm_rows(),
        telemetry_contract(),
        no_hour_ahead(),
        published_claim(),
        *raw_claims(),
        *daily_claims(),
    ]
    rows = []
    for claim in every:
        # A setting is a threshold of a claim if another value makes another claim of it.
        names = [
            f"`{field.alias}` {field.default}"
            for name, field in Settings.model_fields.items()
            if isinstance(field.default, int | float) and claim != _with_other(settings, name, claim)
        ]
        zone = ["`BIONICPRO_REPORT_TIMEZONE` UTC"] if "zone" in claim.parameters else []
        blocking = "yes" if claim.blocking else ""
        asset = claim.table.replace(".", "/")
        rows.append(
            f"| `{claim.name}` | {asset} | {claim.words} | {claim.severity} | {blocking} | {', '.join(names + zone)} |"
        )
    return rows


def defaults() -> Settings:
    source = "postgresql://nobody:nothing@127.0.0.1:1/none"
    return Settings(
        BIONICPRO_CRM_DB_URL=source, BIONICPRO_TELEMETRY_DB_URL=source, BIONICPRO_CLICKHOUSE_URL="chdb:///nowhere"
    )


def _with_other(settings: Settings, name: str, claim: Claim) -> Claim:
    other = settings.model_copy(update={name: getattr(settings, name) + 3})
    same = [c for c in claims(other) if (c.table, c.name) == (claim.table, claim.name)]
    return same[0] if same else claim


def test_the_table_of_checks_is_the_claims(clean_environment):
    table = CHECKS.partition("|---|---|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == check_rows()


def test_every_check_has_a_word_on_what_to_do(clean_environment):
    advice = CHECKS.partition("## What to do")[2].partition("## How rows")[0]
    advised = re.findall(r"`(\w+)`", "".join(line.split(" | ")[0] for line in advice.splitlines()))
    named = [re.findall(r"`(\w+)`", row)[0] for row in check_rows()]
    assert sorted(advised) == sorted(set(named))


def test_the_table_of_settings_is_the_settings_object():
    table = (
        (ROOT / "docs" / "settings.md")
        .read_text(encoding="utf-8")
        .partition("| setting | default | meaning |\n|---|---|---|\n")[2]
        .partition("\n\n")[0]
    )
    assert table.splitlines() == settings_rows()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_command_that_is_named_exists(document):
    text = document.read_text(encoding="utf-8")
    commands = set(get_command(app).commands)
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"[`/]bionicpro(?: --env-file \S+)? ([a-z]+)", text)
    assert set(named) <= commands
    assert set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", text, re.MULTILINE)) <= targets
    if document.name == "README.md":
        assert set(named) | {"demo"} == commands


def leaves(group: Any, path: str = "bionicpro") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        below = f"{path} {name}"
        found |= leaves(command, below) if hasattr(command, "commands") else {below: command}
    return found


def test_every_command_has_examples_that_it_would_take():
    for path, command in leaves(get_command(app)).items():
        _, *examples = (command.epilog or "").split("\n\n")
        assert examples, path
        for example in examples:
            spoken = shlex.split(example.partition(" > ")[0])
            assert example.startswith(path), example
            arguments = spoken[len(path.split()) :]
            # Parsed, not run: an option or a value that there is not raises.
            command.make_context(path, arguments)
        assert command.rich_help_panel or " " in path.removeprefix("bionicpro "), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_file_that_is_named_exists(document):
    text = document.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:sql|bionicpro_assets|bionicpro_assets_tests|docs|docker)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (document.parent / name).exists(), name


def test_the_mart_is_the_reports_contract():
    view = sql("clickhouse/schema/230_reports_user_prosthesis_stats.sql")
    columns = re.findall(r"\w+", view.partition("SELECT")[2].partition("FROM")[0])
    assert columns == list(CONTRACT)
    table = sql("clickhouse/schema/130_storage_user_prosthesis_stats.sql")
    types = dict(re.findall(r"^    (\w+) +([A-Z]\S+) +COMMENT", table, re.MULTILINE))
    assert {c: types[c] for c in CONTRACT} == CONTRACT


def test_the_monitoring_queries_are_in_the_documentation():
    for name in ("monitor_today_by_user", "monitor_last_days"):
        assert f"{name}.sql" in README
        assert (SQL_ROOT / "clickhouse" / "queries" / f"{name}.sql").exists()


def test_every_clickhouse_file_is_one_statement():
    for file in (SQL_ROOT / "clickhouse").rglob("*.sql"):
        code = re.sub(r"'(?:[^']|'')*'|--[^\n]*", "", file.read_text(encoding="utf-8"))
        assert ";" not in code, file.name


def skeleton(document: str) -> list[tuple[str, Any]]:
    """What a translation must have in the same order: headings, code, tables' lengths, and the links and names in each."""
    found: list[tuple[str, Any]] = []
    text = (ROOT / document).read_text()
    for i, block in enumerate(re.split(r"^ *```[a-z]*\n(.*?)^ *```$", text, flags=re.DOTALL | re.MULTILINE)):
        if i % 2:
            found.append(("code", textwrap.dedent(block)))
            continue
        for part in re.split(r"(?m)^(#+ .*)$", block):
            if part.startswith("#"):
                found.append(("heading", part.partition(" ")[0]))
                continue
            found.append(("rows", len(re.findall(r"(?m)^\|", part))))
            found.append(("items", len(re.findall(r"(?m)^ *(?:-|\d+\.) ", part))))
            found.append(("links", sorted(re.findall(r"\]\((.*?)\)", part))))
            named = re.findall(r"`([^`]+)`", " ".join(part.split()))
            # `now` and the like are words; a name is what a machine reads.
            found.append(("names", sorted(n for n in named if not re.search("now|сейчас|mart's", n))))
    return found


RUSSIAN = sorted(path for path in DOCUMENTS if path.name.endswith(".ru.md"))
# Of these the headings and the code: the Russian page leaves the table of metrics to the English one.
IN_PART = {"operating.ru.md"}


@pytest.mark.parametrize("document", RUSSIAN, ids=lambda d: d.name)
def test_a_russian_page_says_the_same_in_the_same_order(document):
    russian = skeleton(str(document.relative_to(ROOT)))
    english = skeleton(str(document.relative_to(ROOT)).replace(".ru.md", ".md"))
    if document.name in IN_PART:
        english, russian = ([part for part in parts if part[0] in ("code", "heading")] for parts in (english, russian))
    for (kind, wanted), (other, found) in zip(english, russian, strict=True):
        if kind == "links":
            # Of a page that is there in both, either is linked.
            wanted, found = (sorted(link.replace(".ru.md", ".md") for link in links) for links in (wanted, found))
        assert (kind, wanted) == (other, found)


def test_the_first_page_starts_the_stack_as_the_page_on_operating_does():
    """Whose commands are given to a real Docker engine by the tests of the stack."""
    block = README.partition("## With Docker Compose\n\n```text\n")[2].partition("```")[0].splitlines()
    operating = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert len(block) == 3
    assert [line for line in block if line not in operating] == []
