"""The collector, whatever its sources do; and the names of metrics."""

import re
import threading
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.metrics.collector import PlatformCollector, registry_of
from bionicpro_assets.metrics.families import FAMILIES, Sample

ROOT = Path(__file__).resolve().parents[2]
RULES = yaml.safe_load((ROOT / "docker/prometheus/alerts.yml").read_text())["groups"]
SCRAPE = yaml.safe_load((ROOT / "docker/prometheus/scrape.yml").read_text())["scrape_configs"]
OPERATING = (ROOT / "docs/operating.md").read_text(encoding="utf-8")


def scrape(collector):
    text = generate_latest(registry_of(collector)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def rows(hours):
    return lambda: [Sample("bionicpro_table_publications", ("reports.user_prosthesis_stats",), hours)]


def failing(error):
    def read():
        yield Sample("bionicpro_asset_rows", ("half/read",), 1)
        raise error

    return read


def test_a_source_that_fails_is_named_and_the_others_come(capsys):
    sources = {
        "journal": rows(3),
        "assets": failing(ConnectionError("could not connect to postgresql://dagster:s3cret@dagster_db")),
        "checks": failing(ClickHouseError("ClickHouse (http://clickhouse:8123) can't be reached: refused.")),
    }
    collector = PlatformCollector(sources)
    for _ in range(2):
        found = scrape(collector)
        assert found["bionicpro_table_publications", "reports.user_prosthesis_stats"] == 3
        assert {s: found["bionicpro_scrape_error", s] for s in sources} == {"journal": 0, "assets": 1, "checks": 1}
        assert not any(key[0] == "bionicpro_asset_rows" for key in found), "half of a source is worse than none"
        assert "s3cret" not in str(found)
    assert collector.failing == ["assets", "checks"]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "metrics: assets: it can't be read (ConnectionError)",
        "metrics: checks: ClickHouse (http://clickhouse:8123) can't be reached: refused.",
    ], "once, not at every scrape, and no address with a password"


def test_a_source_that_hangs_is_left_out_and_not_asked_again_while_it_does():
    go_on, asked = threading.Event(), []

    def hanging():
        asked.append(1)
        assert go_on.wait(30)
        return rows(5)()

    collector = PlatformCollector({"journal": hanging, "runs": lambda: [Sample("bionicpro_runs", ("queued",), 7)]}, 0.2)
    for _ in range(2):
        found = scrape(collector)
        assert found["bionicpro_scrape_error", "journal"] == 1
        assert found["bionicpro_scrape_error", "runs"] == 0
        assert found["bionicpro_runs", "queued"] == 7
    assert asked == [1]
    go_on.set()
    deadline = time.monotonic() + 30
    while scrape(collector)["bionicpro_scrape_error", "journal"]:
        assert time.monotonic() < deadline
    assert collector.failing == []


def test_a_registry_that_is_made_reads_nothing():
    registry_of(PlatformCollector({"journal": failing(AssertionError("read"))}))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_names_follow_the_conventions(family):
    assert re.fullmatch(r"bionicpro_[a-z_]+[a-z]", family.name)
    # Only a counter that never falls is a total; instants and durations are in seconds.
    assert not re.search(r"_(total|count|sum|bucket|info)$", family.name)
    assert ("timestamp" in family.name or "duration" in family.name) == family.name.endswith("_seconds")
    assert not {"job", "instance"} & set(family.labels), "Prometheus puts its own in their place"


def test_the_table_of_metrics_is_the_metrics():
    table = OPERATING.partition("| metric | labels | meaning |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == [
        f"| `{f.name}` | {', '.join(f'`{label}`' for label in f.labels)} | {f.words} |" for f in FAMILIES
    ]


def test_the_rules_ask_for_metrics_and_labels_that_there_are():
    families = {f.name: f for f in FAMILIES}
    rules = [rule for group in RULES for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        # Without what is in quotes: values of labels.
        named = re.findall(r"\bbionicpro_\w+", re.sub(r'"[^"]*"', "", rule["expr"]))
        assert named or "up{" in rule["expr"], rule
        assert set(named) <= set(families), rule
        for name, matchers in re.findall(r"(bionicpro_\w+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)\s*[=!]~?", matchers)) <= set(families[name].labels), rule
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert all(label in families[n].labels for n in named) or label in rule["expr"], rule
        assert re.fullmatch(r"\d+[mh]", rule["for"]), rule
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_example_scrapes_what_the_stack_publishes():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["metrics"]
    (job,) = SCRAPE
    port = compose["ports"][0].rpartition(":")[2]
    assert job["static_configs"][0]["targets"] == [f"127.0.0.1:{port}"]
    assert ["--port", port] == compose["command"][compose["command"].index("--port") :][:2]
    assert all(f'up{{job="{job["job_name"]}"}}' in r["expr"] for g in RULES for r in g["rules"] if "up{" in r["expr"])
