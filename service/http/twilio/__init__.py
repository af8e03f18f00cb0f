"""Twilio Verify's HTTP API (v2), so that Twilio's own SDKs work with only their base URL changed.

Source: https://www.twilio.com/docs/verify/api and Twilio's OpenAPI description of April 2026. That one
describes it, so `openapi.yaml` does not.
"""

from werkzeug.routing import BaseConverter

from service.http.twilio.entities import api as entities
from service.http.twilio.verifications import api as verifications


class Anything(BaseConverter):
    """The rest of a path, newlines included, which Werkzeug's own `path` leaves to somebody else."""

    regex = "(?s:.+)"
    part_isolating = False
    weight = 300  # tried last


PAGES = (verifications, entities)

__all__ = ["PAGES", "Anything"]
