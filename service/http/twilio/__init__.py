"""Twilio Verify's HTTP API (v2), so that Twilio's own SDKs work with only their base URL changed.

Source: https://www.twilio.com/docs/verify/api and Twilio's OpenAPI description of April 2026. That one
describes it, so `openapi.yaml` does not.
"""

from service.http.twilio.entities import api as entities
from service.http.twilio.verifications import api as verifications

PAGES = (verifications, entities)
PREFIX = "/v2/"

__all__ = ["PAGES", "PREFIX"]
