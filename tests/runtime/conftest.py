"""The `serve` fixture."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serve_process import Serve


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serve]]:
    """Start `serve`; the data folder is `tmp_path / "var"` unless given."""
    started: list[Serve] = []

    def start(*, data: Path = tmp_path / "var", as_json: bool = True, **more: str) -> Serve:
        started.append(Serve(data, as_json=as_json, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(10)
