"""The fixtures of a running service."""

from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
