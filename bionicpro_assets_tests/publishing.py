"""Publishing one frame, as most tests do."""

from typing import Any

from bionicpro_assets.frames import HourlyFrame, HourlyLoad
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.publish import Publication, publish


def publish_frame(clickhouse: ClickHouse, name: str, frame: HourlyFrame, **options: Any) -> Publication:
    """Publish a frame under one name; the options are those of `publish`."""
    return publish(clickhouse, HourlyLoad.of(name, frame), **{"run_id": "test", "batch_size": 10_000, **options})[name]
