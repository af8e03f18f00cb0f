"""What the Dockerfile makes, made once."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.deploy.image import Image, require_namespaces


@pytest.fixture(scope="session")
def image():
    """The image's files, by its own steps."""
    require_namespaces()
    folder = Path(tempfile.mkdtemp(prefix="otpi-"))
    try:
        made = Image(folder)
        made.make()
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
