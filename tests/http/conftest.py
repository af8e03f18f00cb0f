"""One running service for all files of this folder that a process runs."""

from collections.abc import Iterator

import pytest

from tests.support.stack import Stack, running


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running() as found:
        yield found


@pytest.fixture
def api(stack):
    return stack.api
