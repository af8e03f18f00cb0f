"""The service's parts in this process, with a clock that is moved by hand."""

from tests.support.process import *  # noqa: F403 - fixtures are found by their names here
