"""`otp-fallback alerts`."""

import time

import typer

from service.cli.output import as_json, fail, operator, table


def test(json_output: bool) -> None:
    """Send a test alert to every target, now and not by the queue."""
    from service.core import clock
    from service.domain.alerts import trial_alert
    from service.providers.alerts import parse_targets
    from service.settings import Settings, SettingsError

    try:
        urls = Settings.load().alert_urls
    except SettingsError as error:
        fail(str(error))
    if urls is None:
        fail("OTP_ALERT_URLS is not set: nobody would be alerted")
    reports = []
    for target in parse_targets(urls.get_secret_value()):
        began = time.monotonic()
        failure = target.send(trial_alert(clock(), operator()))
        seconds = round(time.monotonic() - began, 2)
        reports.append(
            {"target": target.number, "service": target.service, "failure": failure, "seconds": seconds}
        )
    if json_output:
        as_json(reports)
    else:
        columns = ["target", "service", "outcome", "seconds"]
        rows = [{**report, "outcome": report["failure"] or "sent"} for report in reports]
        table(columns, [[str(row[column]) for column in columns] for row in rows])
    if any(report["failure"] for report in reports):
        raise typer.Exit(1)
