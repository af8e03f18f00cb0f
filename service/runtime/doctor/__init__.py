"""`otp-fallback doctor`: looks at all that logins depend on, and says how to mend what is not well."""
