"""One stack for all tests of this folder, which run in the order of their files."""

from collections.abc import Iterator

import pytest

from bionicpro_assets_tests.e2e.compose.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """The stack, built and started by the one command."""
    with Stack.set_up(tmp_path_factory.mktemp("stack")) as made:
        made.compose("build", "--quiet", "code")
        made.up()
        yield made
