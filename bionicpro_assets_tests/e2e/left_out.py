"""Commands of the documents that the demo can't be given, each with the reason and the test that knows it all the same."""

import re
from dataclasses import dataclass

from bionicpro_assets_tests.e2e.documents import Command


@dataclass(frozen=True)
class LeftOut:
    """Commands that a pattern fits, why they aren't run on the demo, and a test in which `evidence` stands."""

    pattern: str
    why: str
    test: str
    evidence: str

    def fits(self, command: Command) -> bool:
        return re.fullmatch(self.pattern, command.text) is not None


LEFT_OUT = [
    LeftOut(
        r"bionicpro up",
        "It runs until somebody stops it.",
        "bionicpro_assets_tests/e2e/browser/conftest.py",
        '[BIONICPRO, "up", "--port", str(port)]',
    ),
    LeftOut(
        r"bionicpro metrics",
        "It runs until somebody stops it.",
        "bionicpro_assets_tests/e2e/test_newcomer.py",
        '[BIONICPRO, "metrics", "--port", str(port)]',
    ),
    LeftOut(
        r"bionicpro alerts test",
        "It wants somewhere to send messages to.",
        "bionicpro_assets_tests/integration/test_alerts.py",
        'invoke(app, ["alerts", "test"])',
    ),
    LeftOut(
        r"bionicpro init (clickhouse )?roles",
        "The embedded engine has nowhere to keep roles.",
        "bionicpro_assets_tests/integration/test_roles_clickhouse.py",
        'run_init(["roles"])',
    ),
    LeftOut(
        r"bionicpro user .*",
        "The embedded engine has one user, and that is it.",
        "bionicpro_assets_tests/integration/test_roles_clickhouse.py",
        'run_user("reports_api", "report_reader"',
    ),
    LeftOut(
        r"bionicpro --install-completion",
        "It writes into the home of whoever runs it.",
        "bionicpro_assets_tests/integration/test_completion.py",
        'bionicpro --install-completion; true"',
    ),
    LeftOut(
        r"(docker build|kubectl|helm) .*",
        "No cluster and no registry: docs/growing.md says what was checked without them.",
        "bionicpro_assets_tests/unit/test_kubernetes.py",
        "values.yaml",
    ),
]
# Statements with an ellipsis for their tables: about two servers, and about a damaged part, which test_damage.py drops.
STATEMENTS_LEFT_OUT = {
    "INSERT INTO storage.… SELECT * FROM remote(…)",
    "ALTER TABLE storage.… DROP DETACHED PART '…' SETTINGS allow_drop_detached = 1",
}
