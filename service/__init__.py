"""otp-fallback keeps logins working when SMS does not."""

__version__ = "0.1.0"
