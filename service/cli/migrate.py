"""`otp-fallback migrate`."""

from service.cli.output import as_json, settings


def migrate(json_output: bool) -> None:
    """Bring the state to the schema of this version, as every start does."""
    from service.core import build_core, open_store
    from service.runtime.progress import upgrading
    from service.store.migrations import CURRENT
    from service.store.schema import Schema

    with settings() as found:
        store, _ = open_store(found)
        before = Schema(store).read()
        core = build_core(found, upgrade=upgrading)
        users = core.readiness()[0].users
    if json_output:
        as_json({"from": before, "schema": CURRENT, "users": users})
    elif before == CURRENT:
        print(f"The state is of schema {CURRENT} already.")
    else:
        print(f"The state is of schema {CURRENT} now.")
