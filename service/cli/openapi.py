"""`otp-fallback openapi`."""

from service.cli.output import as_json
from service.http.openapi import as_yaml, describe


def openapi(json_output: bool) -> None:
    """Print the API's description."""
    if json_output:
        as_json(describe())
    else:
        print(as_yaml(), end="")
