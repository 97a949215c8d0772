"""Ways to damage what stands, each tried on the real engine: who says it, and whether it comes back as it was."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import contiguous_ranges, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.columns import hourly_tables
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets.load.table import HourlyTable, current_entries
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.standing.heal import look_and_heal
from bionicpro_assets.standing.look import Loaded, Record, examine
from bionicpro_assets_tests.integration.conftest import fresh_sources
from bionicpro_assets_tests.integration.platform import mart_rows
from bionicpro_assets_tests.integration.sources import Sources
from bionicpro_assets_tests.integration.test_publish import Fails
from bionicpro_assets_tests.publishing import publish_frame, publish_window

OPEN = floor_hour(datetime.now(UTC))
# Within one day, and so within one month: a table is one part.
MORNING = (OPEN - timedelta(days=3)).replace(hour=8)
HOURS = hour_range(MORNING, MORNING + timedelta(hours=5))
HOUR = HOURS[2]
AT = f"toDateTime({int(HOUR.timestamp())}, 'UTC')"
MART, TELEMETRY, CRM = "user_prosthesis_stats", "hourly_telemetry", "crm_customer_prosthesis"
QUARANTINE, JOURNAL = "rejected_telemetry", "publications"
DOCS = Path(__file__).parents[2] / "docs" / "damage.md"


def load(sources: Sources, clickhouse: ClickHouse, hours: list[datetime], afresh: bool = False) -> None:
    publish_window(sources.crm, sources.telemetry, clickhouse, hours, run_id="test", batch_size=10_000, afresh=afresh)


@dataclass
class Mart:
    """A mart that is about to be damaged; the engine is closed while its files are."""

    folder: Path
    clickhouse: ClickHouse
    sources: Sources

    def do(self, *statements: str) -> None:
        for statement in statements:
            self.clickhouse.command(statement)

    def part(self, table: str) -> Path:
        """The folder of the largest part of a storage table."""
        _, rows = self.clickhouse.rows(
            "SELECT path FROM system.parts WHERE active AND database = 'storage' AND table = {t:String} "
            "ORDER BY rows DESC LIMIT 1",
            {"t": table},
        )
        return Path(rows[0][0])

    def in_files(self, table: str, change: Callable[[Path], None]) -> None:
        part = self.part(table)
        _, merged = self.clickhouse.rows("SELECT path FROM system.parts WHERE NOT active AND database = 'storage'")
        self.clickhouse.close()
        for (path,) in merged:
            # As a while after a merge: the parts that a broken one was made of would take its place.
            shutil.rmtree(path, ignore_errors=True)
        change(part)

    def anew(self) -> None:
        self.clickhouse.close()
        shutil.rmtree(self.folder)
        apply_clickhouse_schema(self.clickhouse)

    def killed(self) -> None:
        frame = HourlyTable.of(self.clickhouse, "staging.hourly_telemetry").load(self.clickhouse, [HOUR])
        rows = frame.rows.with_columns(movements_count=pl.lit(5, pl.Int64))
        failing = Fails(self.clickhouse, "commit", after=False, error=ClickHouseError("killed"))
        with pytest.raises(ClickHouseError):
            publish_frame(failing, "staging.hourly_telemetry", HourlyFrame(rows, {HOUR: datetime.now(UTC)}), attempts=1)
        self.do(update(TELEMETRY, "written_at = now() - 7200"))


def truncated(part: Path) -> None:
    os.truncate(part / "data.bin", (part / "data.bin").stat().st_size // 2)


def flipped(part: Path) -> None:
    with (part / "data.bin").open("r+b") as file:
        file.seek((part / "data.bin").stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 255]))


def without(name: str) -> Callable[[Path], None]:
    return lambda part: next(part.glob(name)).unlink()


def update(table: str, column: str, where: str = "1") -> str:
    return f"ALTER TABLE storage.{table} UPDATE {column} WHERE {where} SETTINGS mutations_sync = 2"


@dataclass(frozen=True)
class Way:
    """A way to damage what stands.

    Attributes:
        what: What is done, in words.
        damage: Does it.
        says: What doctor, status and the check say, somewhere.
        heals: Whether it comes back by itself.
        undo: What an operator does, where it doesn't.
    """

    what: str
    damage: Callable[[Mart], None]
    says: str
    heals: bool = True
    undo: str = ""


LOST = "rows that were published"
BROKEN = "files of the part"
WITNESS = "the backup; nothing is loaded that would change whose hour it is"
ANEW = "hours do, with the wearers whom the CRM names now; those of before are in the backup"
BY_HAND = "the hand that did it undoes it"
INIT = "bionicpro init clickhouse"
WAYS = [
    Way("a file of the mart is cut off", lambda m: m.in_files(MART, truncated), LOST),
    Way("a byte of the mart is flipped", lambda m: m.in_files(MART, flipped), BROKEN),
    Way("a data file of the mart is removed", lambda m: m.in_files(MART, without("data.bin")), LOST),
    Way("an index of the mart is removed", lambda m: m.in_files(MART, without("primary.*idx")), LOST),
    Way("the folder of a part of the mart is removed", lambda m: m.in_files(MART, shutil.rmtree), LOST),
    Way("a file of the telemetry is cut off", lambda m: m.in_files(TELEMETRY, truncated), LOST),
    Way("a byte of the telemetry is flipped", lambda m: m.in_files(TELEMETRY, flipped), BROKEN),
    Way("the folder of a part of the quarantine is removed", lambda m: m.in_files(QUARANTINE, shutil.rmtree), LOST),
    Way("a file of the journal is cut off", lambda m: m.in_files(JOURNAL, truncated), "the journal"),
    Way("a file of the wearers' history is cut off", lambda m: m.in_files(CRM, truncated), LOST, False, WITNESS),
    Way(
        "a part of the mart is detached",
        lambda m: m.do(f"ALTER TABLE storage.{MART} DETACH PART '{m.part(MART).name}'"),
        LOST,
    ),
    Way(
        "a partition of the mart is dropped",
        lambda m: m.do(f"ALTER TABLE storage.{MART} DROP PARTITION {HOUR:%Y%m}"),
        LOST,
    ),
    Way(
        "rows of a chip are deleted in the mart",
        lambda m: m.do(f"DELETE FROM storage.{MART} WHERE chip_id = 'C2'"),
        LOST,
    ),
    Way("an hour is deleted in the mart", lambda m: m.do(f"DELETE FROM storage.{MART} WHERE hour_start = {AT}"), LOST),
    Way(
        "an hour is deleted in the telemetry",
        lambda m: m.do(f"DELETE FROM storage.{TELEMETRY} WHERE hour_start = {AT}"),
        LOST,
    ),
    Way("the quarantine is emptied", lambda m: m.do(f"TRUNCATE TABLE storage.{QUARANTINE}"), LOST),
    Way(
        "an hour of the wearers' history is deleted",
        lambda m: m.do(f"DELETE FROM storage.{CRM} WHERE hour_start = {AT}"),
        LOST,
    ),
    Way("the whole wearers' history is deleted", lambda m: m.do(f"TRUNCATE TABLE storage.{CRM}"), LOST, False, WITNESS),
    Way(
        "rows of the mart are doubled",
        lambda m: m.do(f"INSERT INTO storage.{MART} SELECT * FROM storage.{MART} WHERE chip_id = 'C1'"),
        "rows more than were published",
    ),
    Way(
        "a row that nobody published is written",
        lambda m: m.do(
            f"INSERT INTO storage.{MART} SELECT * REPLACE (42 AS publication, now() - 7200 AS written_at) "
            f"FROM storage.{MART} LIMIT 1"
        ),
        "rows that nobody published",
        False,
        "the sweep, a day after",
    ),
    Way(
        "a number is changed in the mart",
        lambda m: m.do(update(MART, "movements_count = 7", f"hour_start = {AT}")),
        "other values",
    ),
    Way(
        "a number is changed in the telemetry", lambda m: m.do(update(TELEMETRY, "movements_count = 7")), "other values"
    ),
    Way(
        "an hour is deleted in the journal",
        lambda m: m.do(f"DELETE FROM storage.{JOURNAL} WHERE hour_start = {AT}"),
        "the journal",
    ),
    Way("the journal is emptied", lambda m: m.do(f"TRUNCATE TABLE storage.{JOURNAL}"), "the journal doesn't have"),
    Way(
        "the journal's counts are changed",
        lambda m: m.do(update(JOURNAL, "row_count = row_count + 1", f"table_name LIKE '%{MART}'")),
        LOST,
    ),
    Way(
        "a publication without rows is journalled",
        lambda m: m.do(
            f"INSERT INTO storage.{JOURNAL} SELECT * REPLACE (42 AS publication, now64(6) AS source_read_at) "
            f"FROM storage.{JOURNAL} WHERE table_name LIKE '%{MART}'"
        ),
        LOST,
    ),
    Way(
        "a clock was a day ahead",
        lambda m: m.do(
            f"INSERT INTO storage.{JOURNAL} SELECT * REPLACE (now64(6) + 86400 AS source_read_at) "
            f"FROM storage.{JOURNAL} WHERE hour_start = {AT}"
        ),
        "hasn't come yet",
        False,
        "the statement that is said with it",
    ),
    Way("the folder is replaced by an empty one", lambda m: m.anew(), "the journal doesn't have", False, ANEW),
    Way(
        "the public view is replaced",
        lambda m: m.do(
            f"CREATE OR REPLACE VIEW reports.{MART} AS SELECT * EXCEPT (publication, written_at, hour_start) "
            f"FROM storage.{MART}_rows WHERE chip_id != 'C1'"
        ),
        "isn't as version",
        False,
        INIT,
    ),
    Way("the public view is dropped", lambda m: m.do("DROP VIEW reports.user_daily_stats"), "is gone", False, INIT),
    Way(
        "a materialized view copies the mart",
        lambda m: m.do(
            "CREATE DATABASE other",
            f"CREATE MATERIALIZED VIEW other.copy ENGINE = MergeTree ORDER BY user_id AS SELECT * FROM storage.{MART}",
        ),
        "other.copy (materialized view)",
        False,
        BY_HAND,
    ),
    Way(
        "a copy stands beside the mart",
        lambda m: m.do(
            f"CREATE TABLE reports.{MART}_tmp ENGINE = MergeTree ORDER BY user_id AS SELECT * FROM reports.{MART}"
        ),
        "made by somebody else",
        False,
        BY_HAND,
    ),
    Way(
        "a shorter TTL is set",
        lambda m: m.do(f"ALTER TABLE storage.{MART} MODIFY TTL report_date + INTERVAL 300 DAY"),
        "isn't as version",
        False,
        BY_HAND,
    ),
    Way(
        "a TTL is set on a column",
        lambda m: m.do(f"ALTER TABLE storage.{MART} MODIFY COLUMN customer_email TTL report_date + INTERVAL 30 DAY"),
        "isn't as version",
        False,
        BY_HAND,
    ),
    Way(
        "a column gets another type",
        lambda m: m.do(f"ALTER TABLE storage.{MART} MODIFY COLUMN error_count UInt64"),
        "isn't as version",
        False,
        BY_HAND,
    ),
    Way(
        "a constraint is added",
        lambda m: m.do(f"ALTER TABLE storage.{TELEMETRY} ADD CONSTRAINT few CHECK movements_count < 1000"),
        "isn't as version",
        False,
        BY_HAND,
    ),
    Way(
        "a load is killed before its commit", lambda m: m.killed(), "nobody published", False, "the sweep, a day after"
    ),
]


@dataclass
class Fixture:
    """The mart that every way is tried on a copy of."""

    sources: Sources
    folder: Path
    record: Record
    owners: dict[str, tuple[str, int]]


@pytest.fixture(scope="module")
def loaded(postgres_server, tmp_path_factory) -> Iterator[Fixture]:
    """A small mart, loaded once; C1 has another wearer since."""
    folder = tmp_path_factory.mktemp("damage") / "clickhouse"
    with fresh_sources(postgres_server) as sources:
        for chip, user in (("C1", "anna"), ("C2", "boris"), ("C3", "vera")):
            sources.add_wearer(chip, user)
        for hour in HOURS:
            for chip in ("C1", "C2", "C3", "unknown"):
                sources.add_hour(chip, hour, movements_count=100 + hour.hour)
        owners = sources.owners()
        with ClickHouse(f"chdb://{folder}") as clickhouse:
            apply_clickhouse_schema(clickhouse)
            load(sources, clickhouse, HOURS)
            sources.add_wearer(None, "gleb")
            sources.in_crm("UPDATE crm.prostheses SET chip_id = NULL WHERE chip_id = 'C1'")
            sources.in_crm(
                "UPDATE crm.prostheses SET chip_id = 'C1' WHERE customer_id = (SELECT customer_id FROM crm.customers WHERE external_id = 'gleb')"
            )
            load(sources, clickhouse, HOURS[3:])
            assert mart_rows(clickhouse) == sources.expected_mart(HOURS[0], HOURS[-1], owners=owners)
            for table in (MART, TELEMETRY, CRM, QUARANTINE, JOURNAL):
                clickhouse.command(f"OPTIMIZE TABLE storage.{table} FINAL")
            entries = current_entries(clickhouse, hourly_tables(), HOURS[0], OPEN)
        record = Record(
            lambda name: set(entries[name]),
            lambda name, hours: {
                h: Loaded(e.number, e.row_count, e.source_read_at) for h, e in entries[name].items() if h in hours
            },
        )
        yield Fixture(sources, folder, record, owners)


def expected(loaded: Fixture) -> list:
    return loaded.sources.expected_mart(HOURS[0], HOURS[-1], owners=loaded.owners)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.what.replace(" ", "_"))
def test_what_is_damaged_is_said_and_comes_back(loaded, tmp_path, way):
    folder = tmp_path / "clickhouse"
    shutil.copytree(loaded.folder, folder, symlinks=True)
    now = datetime.now(UTC)
    with ClickHouse(f"chdb://{folder}") as clickhouse:
        assert examine(clickhouse, loaded.record, now).says == []
        way.damage(Mart(folder, clickhouse, loaded.sources))
        said = examine(clickhouse, loaded.record, now).says
        # A part that can't be read is set aside by ClickHouse itself a moment later: then its rows are gone.
        expected_words = {way.says, LOST} if way.says == BROKEN else {way.says}
        assert any(words in sentence for sentence in said for words in expected_words), said
        seen = look_and_heal(clickhouse, loaded.sources.crm, loaded.sources.telemetry, loaded.record, HOURS, now)
        assert seen.standing.says or seen.done
        if way.undo == ANEW:
            assert seen.to_load == HOURS
            assert any("both are lost" in sentence for sentence in seen.standing.says)
            return
        for hours in contiguous_ranges(seen.to_load):
            load(loaded.sources, clickhouse, hours, afresh=True)
        if way.undo == INIT:
            apply_clickhouse_schema(clickhouse)
        assert mart_rows(clickhouse) == expected(loaded)
        again = examine(clickhouse, loaded.record, now)
        assert (again.says == []) == (way.heals or way.undo == INIT), again.says
        if way.undo == WITNESS:
            assert seen.unwitnessed
            assert any("who wore the chips" in sentence for sentence in seen.standing.says)


def test_what_was_set_aside_is_dropped_as_the_documentation_says(loaded, tmp_path):
    folder, now = tmp_path / "clickhouse", datetime.now(UTC)
    shutil.copytree(loaded.folder, folder, symlinks=True)
    (said,) = re.findall("`(ALTER TABLE storage[^`]+)`", DOCS.read_text())
    with ClickHouse(f"chdb://{folder}") as clickhouse:
        part = Mart(folder, clickhouse, loaded.sources).part(MART).name
        clickhouse.command(f"ALTER TABLE storage.{MART} DETACH PART '{part}'")
        assert any("detached part" in notice for notice in examine(clickhouse, loaded.record, now).notices)
        clickhouse.command(said.replace("storage.…", f"storage.{MART}").replace("'…'", f"'{part}'"))
        assert not any("detached part" in notice for notice in examine(clickhouse, loaded.record, now).notices)


ADDED = {
    MART: [
        "ADD COLUMN note Nullable(String)",
        "ADD COLUMN marked UInt8 DEFAULT 1",
        "ADD COLUMN failed UInt32 MATERIALIZED movements_count - successful_movements FIRST",
        "ADD COLUMN share Float64 ALIAS success_rate / 100",
        "ADD INDEX by_chip chip_id TYPE bloom_filter",
        "ADD PROJECTION by_model (SELECT prosthesis_model, sum(movements_count) GROUP BY prosthesis_model)",
        "MODIFY COLUMN avg_battery_level CODEC(Gorilla, ZSTD(3))",
        "MODIFY SETTING fsync_after_insert = 1",
    ],
    TELEMETRY: ["ADD PROJECTION by_chip (SELECT * ORDER BY chip_id)", "ADD COLUMN plain Int32"],
    CRM: ["ADD COLUMN note String DEFAULT 'x'"],
    QUARANTINE: ["ADD COLUMN seen_by Nullable(String)"],
}


@contextmanager
def every_count_one_higher(sources: Sources) -> Iterator[None]:
    """The source changed, and put back to the last stamp: the other tests load from it, too."""
    sources.in_telemetry("CREATE TABLE telemetry.before AS TABLE telemetry.hourly_stats")
    try:
        sources.in_telemetry(
            "UPDATE telemetry.hourly_stats SET movements_count = movements_count + 1, updated_at = now()"
        )
        yield
    finally:
        sources.in_telemetry(
            "UPDATE telemetry.hourly_stats AS h SET movements_count = b.movements_count, updated_at = b.updated_at "
            "FROM telemetry.before AS b WHERE (b.chip_id, b.hour_start) = (h.chip_id, h.hour_start); "
            "DROP TABLE telemetry.before"
        )


def test_loads_sweeps_and_looks_live_with_what_an_administrator_adds(loaded, tmp_path):
    folder, now, sources = tmp_path / "clickhouse", datetime.now(UTC), loaded.sources
    shutil.copytree(loaded.folder, folder, symlinks=True)
    with ClickHouse(f"chdb://{folder}") as clickhouse, every_count_one_higher(sources):
        for table, changes in ADDED.items():
            for change in changes:
                clickhouse.command(f"ALTER TABLE storage.{table} {change}")
        # Views are made again with every new version, and get the columns that there are now.
        apply_clickhouse_schema(clickhouse)
        clickhouse.command(f"ALTER TABLE storage.{MART} MATERIALIZE PROJECTION by_model SETTINGS mutations_sync = 2")
        load(sources, clickhouse, HOURS, afresh=True)
        assert mart_rows(clickhouse) == expected(loaded)
        for name in hourly_tables():
            sweep(clickhouse, name, replaced_grace=timedelta())
        assert mart_rows(clickhouse) == expected(loaded)
        fleet = f"SELECT sum(movements_count) FROM storage.{MART} GROUP BY prosthesis_model"
        with_it, without_it = (
            clickhouse.rows(f"{fleet} SETTINGS optimize_use_projections = {used}, force_optimize_projection = {used}")[
                1
            ]
            for used in (1, 0)
        )
        assert with_it == without_it
        standing = examine(clickhouse, Record(lambda _: (), lambda *_: {}), now)
    assert standing.says == []
    said = " ".join(standing.notices)
    for what in (
        "`note`",
        "`marked`",
        "`failed`",
        "`share`",
        "INDEX by_chip",
        "PROJECTION by_model",
        "`plain`",
        "`seen_by`",
    ):
        assert what in said
    assert "fsync_after_insert = 1" in said
    assert "CODEC" not in said


def test_the_documentation_has_the_ways():
    lines = ["| what is done | what is said, among others | comes back by itself |", "|---|---|---|"]
    lines += [f"| {way.what} | … {way.says} … | {'yes' if way.heals else f'no: {way.undo}'} |" for way in WAYS]
    _, _, rest = DOCS.read_text().partition("<!-- ways -->\n")
    assert rest.partition("<!-- /ways -->")[0] == "\n".join(lines) + "\n"


def test_hours_of_which_the_source_has_lost_rows_are_left_as_they_are(loaded, tmp_path):
    """Loaded again, the mart would lose C3's hour, too, which stands in it."""
    folder, sources = tmp_path / "clickhouse", loaded.sources
    shutil.copytree(loaded.folder, folder, symlinks=True)
    of_c3 = f"telemetry.hourly_stats WHERE chip_id = 'C3' AND hour_start = '{HOUR.isoformat()}'"
    with ClickHouse(f"chdb://{folder}") as clickhouse:
        clickhouse.command(f"DELETE FROM storage.{MART} WHERE chip_id = 'C2' AND hour_start IN ({AT}, {AT} + 3600)")
        standing = mart_rows(clickhouse)
        assert [row for row in expected(loaded) if row not in standing] != []
        sources.in_telemetry(f"CREATE TABLE telemetry.kept AS SELECT * FROM {of_c3}; DELETE FROM {of_c3}")
        try:
            seen = look_and_heal(clickhouse, sources.crm, sources.telemetry, loaded.record, [], datetime.now(UTC))
        finally:
            sources.in_telemetry(
                "INSERT INTO telemetry.hourly_stats SELECT * FROM telemetry.kept; DROP TABLE telemetry.kept"
            )
        assert (seen.gone, seen.to_load) == ([HOUR], [HOUR + timedelta(hours=1)])
        assert any("telemetry_db has fewer rows now than were published" in says for says in seen.standing.says)
        assert mart_rows(clickhouse) == standing
