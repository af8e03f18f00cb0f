"""A local stand-in for Twilio Verify and a mail server, for development and tests.

It speaks Twilio Verify's HTTP API well enough for Twilio's own SDKs, swallows mail over SMTP, shows both
on an inbox page, and fails on demand. It never sends anything to anybody. See ``python -m service.sandbox``.
"""
