"""Examples for the API's description, from `examples.yaml`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel


@cache
def _all() -> Mapping[str, Mapping[str, Any]]:
    text = files("service.http").joinpath("examples.yaml").read_text("utf-8")
    loaded: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)
    return loaded


def examples_of(model: type[BaseModel]) -> Mapping[str, Any]:
    """A model's examples by their names. Raises `KeyError`: it has none, and has to."""
    return _all()[model.__name__]
