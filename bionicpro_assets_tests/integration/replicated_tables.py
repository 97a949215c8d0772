"""Makes the schema of a cluster, with replicated tables, and prints where each of them has its place in Keeper.

python -m bionicpro_assets_tests.integration.replicated_tables FOLDER
"""

import json
import os
import sys
from pathlib import Path

from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.integration.test_cluster import OneProcess

if __name__ == "__main__":
    clickhouse = OneProcess(Path(sys.argv[1]), "one", replicated=True)
    for _ in range(2):
        apply_clickhouse_schema(clickhouse)
    _, places = clickhouse.rows("SELECT table, zookeeper_path, replica_name FROM system.replicas")
    sys.stdout.write(json.dumps([list(place) for place in places]))
    sys.stdout.flush()
    os._exit(0)
