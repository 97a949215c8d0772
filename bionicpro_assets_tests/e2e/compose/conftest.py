"""One stack for all tests of this folder, which run in the order of their files."""

import subprocess
import time
from collections.abc import Iterator

import pytest

from bionicpro_assets_tests.e2e.compose.stack import HEALTH, HEALTH_LINE, Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """The stack, built and started by the one command."""
    with Stack.set_up(tmp_path_factory.mktemp("stack")) as made:
        made.compose("build", "--quiet", "code")
        # Listened to while it starts: the engine remembers few events, and a container its last five checks only.
        with (made.folder / HEALTH).open("w") as file:
            listener = subprocess.Popen(
                ["docker", "events", "--filter", "event=health_status", "--format", HEALTH_LINE], stdout=file
            )
            try:
                made.up()
                time.sleep(1)  # the last line may still be on its way
            finally:
                listener.terminate()
                listener.wait()
        yield made


@pytest.fixture(autouse=True)
def _up_again(stack: Stack) -> None:
    """Each test begins with a stack that is at work, also where the one before it failed halfway."""
    stack.up_again()
