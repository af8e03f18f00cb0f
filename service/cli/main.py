"""`otp-fallback`: the commands. Each imports what it runs only when it runs."""

import sys
from importlib import import_module
from typing import Annotated

import typer

import service

app = typer.Typer(
    name="otp-fallback",
    help="Keeps logins working when SMS does not.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(keys_app, name="keys")
users_app = typer.Typer(no_args_is_help=True, help="Look up a user, and reset one who lost the phone.")
app.add_typer(users_app, name="users")
incidents_app = typer.Typer()
app.add_typer(incidents_app, name="incidents")
fraud_app = typer.Typer()
app.add_typer(fraud_app, name="fraud")
webhooks_app = typer.Typer()
app.add_typer(webhooks_app, name="webhooks")
alerts_app = typer.Typer(no_args_is_help=True, help="Try out how operators are alerted.")
app.add_typer(alerts_app, name="alerts")
drill_app = typer.Typer()
app.add_typer(drill_app, name="drill")
audit_app = typer.Typer(no_args_is_help=True, help="Read and check the trail of what operators did.")
app.add_typer(audit_app, name="audit")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(service.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(as_json: Json = False) -> None:
    """Run the service; starts what is unset: a Valkey server, the Twilio sandbox, a mail sink."""
    import_module("service.cli.serve").serve(json_output=as_json)


@app.command()
def web(as_json: Json = False) -> None:
    """Run the web server alone, where workers run on hosts of their own."""
    import_module("service.cli.serve").serve(json_output=as_json, has_worker=False)


@app.command()
def worker(as_json: Annotated[bool, typer.Option("--json", help="Log JSON, as always.")] = True) -> None:
    """Run a worker process, beside that of `serve` or for `web`; OTP_WORKER_PORT lets it be watched."""
    import_module("service.cli.worker").worker()


@app.command()
def mode(
    mode: Annotated[
        str | None, typer.Argument(help="auto, fallback, primary_only, clear; none: show.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; required to set.")] = None,
    country: Annotated[str | None, typer.Option(help="Only numbers with this calling code: +91.")] = None,
    application: Annotated[str | None, typer.Option(help="Only this application's users.")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="Until then only: 30s, 15m, 2h, 1d.")] = None,
    as_json: Json = False,
) -> None:
    """Show or set the mode: how sends are decided on. Every process honours it at once."""
    import_module("service.cli.mode").mode(mode, reason, country, application, for_, as_json)


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="What it is for, to recognise it by.")],
    scope: Annotated[list[str], typer.Option(help="challenges, enrollments, ops, ops:read; repeatable.")],
    application: Annotated[str, typer.Option(help="Whose users and challenges it sees.")] = "default",
    as_json: Json = False,
) -> None:
    """Make an API key. It is shown this once."""
    import_module("service.cli.keys").create(name, scope, application, as_json)


@keys_app.command("list")
def keys_list(as_json: Json = False) -> None:
    """List API keys (not the keys themselves)."""
    import_module("service.cli.keys").show(as_json)


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `keys list` shows.")], as_json: Json = False
) -> None:
    """Revoke an API key; within 5 seconds no process honours it."""
    import_module("service.cli.keys").revoke(key_id, as_json)


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show how things are on one screen: mode, routes, incidents, readiness."""
    import_module("service.cli.status").status(watch, as_json)


@users_app.command("show")
def users_show(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    application: Annotated[str, typer.Option(help="Whose user it is.")] = "default",
    as_json: Json = False,
) -> None:
    """Show what a user has, contacts masked."""
    import_module("service.cli.users").show(user, application, as_json)


@users_app.command("reset")
def users_reset(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit trail.")],
    application: Annotated[str, typer.Option(help="Whose user it is.")] = "default",
    as_json: Json = False,
) -> None:
    """Remove a user's apps and backup codes, as for a lost phone. The user is told by e-mail."""
    import_module("service.cli.users").reset(user, application, reason, as_json)


@users_app.command("unlock")
def users_unlock(
    user: Annotated[str, typer.Argument(help="The user's id; or a number or address that is nobody's.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit trail.")],
    application: Annotated[str, typer.Option(help="Whose user it is.")] = "default",
    as_json: Json = False,
) -> None:
    """Let a user begin anew after too many wrong codes."""
    import_module("service.cli.users").unlock(user, application, reason, as_json)


@fraud_app.callback(invoke_without_command=True)
def fraud(context: typer.Context, as_json: Json = False) -> None:
    """List blocks of numbers in which toll fraud is suspected; or send to one again."""
    if context.invoked_subcommand is None:
        import_module("service.cli.fraud").show(as_json)


@fraud_app.command("clear")
def fraud_clear(
    block: Annotated[str, typer.Argument(help="The block that `fraud` shows, such as +1415555.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit trail.")],
    as_json: Json = False,
) -> None:
    """Send to a suspected block of numbers again."""
    import_module("service.cli.fraud").clear(block, reason, as_json)


@incidents_app.callback(invoke_without_command=True)
def incidents(
    context: typer.Context,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not resolved.")] = False,
    as_json: Json = False,
) -> None:
    """List recorded outages, newest first; look at one, or say something about it."""
    if context.invoked_subcommand is None:
        import_module("service.cli.incidents").show_all(only_open, as_json)


@incidents_app.command("show")
def incidents_show(
    incident: Annotated[str, typer.Argument(help="The id that `incidents` shows.")],
    as_json: Json = False,
) -> None:
    """Show one with its timeline."""
    import_module("service.cli.incidents").show(incident, as_json)


@incidents_app.command("update")
def incidents_update(
    incident: Annotated[str, typer.Argument(help="The id that `incidents` shows.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    public: Annotated[bool, typer.Option("--public", help="Show it on the status page.")] = False,
    status: Annotated[
        str | None, typer.Option(help="investigating, identified, monitoring or resolved.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say something about one, to operators or to everybody."""
    import_module("service.cli.incidents").update(incident, text, public, status, as_json)


@webhooks_app.callback(invoke_without_command=True)
def webhooks(context: typer.Context, as_json: Json = False) -> None:
    """List who is told of events, and how telling them goes."""
    if context.invoked_subcommand is None:
        import_module("service.cli.webhooks").show_all(as_json)


@webhooks_app.command("list")
def webhooks_list(as_json: Json = False) -> None:
    """List them."""
    import_module("service.cli.webhooks").show_all(as_json)


WebhookId = Annotated[str, typer.Argument(help="The id that `webhooks` shows.")]


@webhooks_app.command("add")
def webhooks_add(
    url: Annotated[str, typer.Argument(help="Where messages are posted.")],
    event: Annotated[
        list[str] | None, typer.Option(help="A type, or incident.*; may be repeated. None: all.")
    ] = None,
    application: Annotated[str | None, typer.Option(help="Only this application's.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    as_json: Json = False,
) -> None:
    """Make one. Its secret is shown this once."""
    import_module("service.cli.webhooks").add(url, event or [], application, description, as_json)


@webhooks_app.command("show")
def webhooks_show(webhook: WebhookId, as_json: Json = False) -> None:
    """Show one, and how telling it goes."""
    import_module("service.cli.webhooks").show(webhook, as_json)


@webhooks_app.command("remove")
def webhooks_remove(webhook: WebhookId, as_json: Json = False) -> None:
    """Remove one, and what waits for it."""
    import_module("service.cli.webhooks").remove(webhook, as_json)


@webhooks_app.command("test")
def webhooks_test(webhook: WebhookId, as_json: Json = False) -> None:
    """Send one a test message, the way of all others."""
    import_module("service.cli.webhooks").test(webhook, as_json)


@webhooks_app.command("dead")
def webhooks_dead(
    webhook: WebhookId,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=10_000)] = 20,
    as_json: Json = False,
) -> None:
    """List messages that it did not take within a day."""
    import_module("service.cli.webhooks").dead(webhook, limit, as_json)


@webhooks_app.command("replay")
def webhooks_replay(
    webhook: WebhookId,
    message: Annotated[
        list[str] | None, typer.Argument(help="Ids that `webhooks dead` shows; none: all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send those messages again."""
    import_module("service.cli.webhooks").replay(webhook, message or [], as_json)


@alerts_app.command("test")
def alerts_test(as_json: Json = False) -> None:
    """Send a test alert to every target now; exit code 1 when one did not take it."""
    import_module("service.cli.alerts").test(as_json)


@drill_app.callback(invoke_without_command=True)
def drills(context: typer.Context, as_json: Json = False) -> None:
    """Rehearse an outage: `outage`, `brown-out` or `silent`. Alone, lists the drills there were."""
    if context.invoked_subcommand is None:
        import_module("service.cli.drill").show_all(as_json)


def _rehearses(kind: str, what: str) -> None:
    def drill(
        reason: Annotated[str, typer.Option(help="Why; it stands in the audit trail.")],
        share: Annotated[str, typer.Option(help="Of the users, such as 10% or 0.1.")] = "100%",
        user: Annotated[
            list[str] | None, typer.Option(help="The only ones who take part; may be repeated.")
        ] = None,
        application: Annotated[str | None, typer.Option(help="Its users alone take part.")] = None,
        country: Annotated[str | None, typer.Option(help="Users from there alone, such as +91.")] = None,
        lasting: Annotated[str, typer.Option("--for", help="How long, such as 5m or 1h.")] = "5m",
        max_stuck: Annotated[
            int, typer.Option(help="Stop when more users than that do not get in.", min=0, max=100_000)
        ] = 20,
        spare: Annotated[
            bool, typer.Option(help="Send the real message to users who have no other way.")
        ] = True,
        detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
        as_json: Json = False,
    ) -> None:
        import_module("service.cli.drill").start(
            kind,
            reason=reason,
            share=share,
            users=user or [],
            application=application,
            country=country,
            lasting=lasting,
            max_stuck=max_stuck,
            spare=spare,
            detach=detach,
            json_output=as_json,
        )

    drill.__doc__ = f"{what} Shows how it goes until its end; Ctrl-C stops it."
    drill_app.command(kind.replace("_", "-"))(drill)


_rehearses("outage", "Rehearse that the primary provider takes nothing.")
_rehearses("brown_out", "Rehearse that half of the sends by the primary provider hang.")
_rehearses("silent", "Rehearse that messages are taken and do not arrive.")


@drill_app.command("show")
def drill_show(
    drill: Annotated[str, typer.Argument(help="The id that `drill` shows.")], as_json: Json = False
) -> None:
    """Show one and its report."""
    import_module("service.cli.drill").show(drill, as_json)


@drill_app.command("stop")
def drill_stop(
    drill: Annotated[str | None, typer.Argument(help="Its id; unset: the one that runs.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the audit trail.")] = None,
    as_json: Json = False,
) -> None:
    """End one before its time."""
    import_module("service.cli.drill").stop(drill, reason, as_json)


@audit_app.command("list")
def audit_list(
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=10_000)] = 20,
    as_json: Json = False,
) -> None:
    """List what operators did."""
    import_module("service.cli.audit").show(limit, as_json)


@audit_app.command("export")
def audit_export(
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, as always.")] = True,
) -> None:
    """Print the whole trail, oldest first, as JSON lines."""
    import_module("service.cli.audit").export()


@audit_app.command("verify")
def audit_verify(as_json: Json = False) -> None:
    """Check that nothing was changed, removed or put in; exit code 1 if something was."""
    import_module("service.cli.audit").verify(as_json)


@app.command()
def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures.")] = False,
    as_json: Json = False,
) -> None:
    """Look at everything that logins depend on, and say how to mend it; exit code 1 if a check failed."""
    import_module("service.cli.doctor").doctor(strict, as_json)


@app.command()
def demo(
    pause: Annotated[float, typer.Option(help="Seconds between steps, to read along.", min=0)] = 1.5,
    as_json: Json = False,
) -> None:
    """Watch a login survive an outage: starts its own service, breaks Twilio, and mends it."""
    import_module("service.cli.demo").demo(pause, as_json)


@app.command()
def replay(
    file: Annotated[str, typer.Argument(help="A trace: JSON lines in time order; - for standard input.")],
    as_json: Json = False,
) -> None:
    """Replay a trace of sends through the health decision, and print each transition."""
    import_module("service.cli.replay").replay(file, as_json)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="What another system exported; - for standard input.")],
    form: Annotated[
        str, typer.Option("--format", help="uri (otpauth, otpauth-migration), csv, json, backup, or auto.")
    ] = "auto",
    application: Annotated[str, typer.Option(help="Whose users they are.")] = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Of a backup: remove first what is there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take over authenticator apps that users enrolled elsewhere, safe to run twice; or restore a backup."""
    import_module("service.cli.importing").import_file(file, form, application, dry_run, replace, as_json)


@app.command()
def export(
    file: Annotated[str, typer.Argument(help="Where to; - for standard output.")], as_json: Json = False
) -> None:
    """Write everything to one encrypted file, for `import` to restore. OTP_MASTER_KEYS open it."""
    import_module("service.cli.backup").export(file, as_json)


@app.command("rotate-keys")
def rotate_keys(
    proofs: Annotated[bool, typer.Option("--proofs", help="A new key for proofs instead.")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="With --proofs: it leaked; proofs of it are refused at once.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="With --proofs: why, for the audit trail.")] = None,
    as_json: Json = False,
) -> None:
    """Seal everything again under the first of OTP_MASTER_KEYS; the service may go on meanwhile."""
    if proofs:
        import_module("service.cli.rotation").rotate_proofs(now, reason, as_json)
    elif now or reason is not None:
        raise typer.BadParameter("--now and --reason go with --proofs")
    else:
        import_module("service.cli.rotation").rotate_keys(as_json)


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring what is kept to the schema of this version, as every start does; safe to run at any time."""
    import_module("service.cli.migrate").migrate(as_json)


@app.command()
def openapi(as_json: Json = False) -> None:
    """Print the API's description (OpenAPI 3.1)."""
    import_module("service.cli.openapi").openapi(as_json)


def main() -> None:
    """Entry point of the command `otp-fallback`."""
    import_module("service.runtime.core_dumps").forbid()
    sys.exit(app())


if __name__ == "__main__":
    main()
