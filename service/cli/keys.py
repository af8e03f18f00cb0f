"""`otp-fallback keys`."""

import secrets
from typing import Any

from service.cli.output import as_json, core, fail, operator, require_application, table
from service.domain.api_keys import ApiKey, Scope
from service.http.views import time_view


def create(name: str, scopes: list[str], application: str, json_output: bool) -> None:
    """Make a key."""
    unknown = sorted(set(scopes) - set(Scope))
    if unknown:
        fail(f"--scope: expected {', '.join(Scope)}; got {', '.join(unknown)}")
    require_application(application)
    if not 1 <= len(name) <= 64 or not name.isprintable():
        fail("--name: expected 1 to 64 printable characters")
    with core() as c:
        record, secret = c.api_keys.create(
            name=name,
            application=application,
            scopes=frozenset(map(Scope, scopes)),
            now=c.clock(),
            random_bytes=secrets.token_bytes,
        )
        c.audit.note(operator(), "key.create", record.id, after=_view(record))
    if json_output:
        as_json({**_view(record), "key": secret})
    else:
        print(secret)
        print(f"{record.id}: kept as a hash only; this key is not shown again.")


def show(json_output: bool) -> None:
    """List the keys."""
    with core() as c:
        views = [_view(key) for key in c.api_keys.all()]
    if json_output:
        as_json(views)
    else:
        columns = ["id", "name", "application", "scopes", "created_at"]
        table(
            columns,
            [[", ".join(v[c]) if c == "scopes" else str(v[c]) for c in columns] for v in views],
        )


def revoke(key_id: str, json_output: bool) -> None:
    """Revoke a key."""
    with core() as c:
        if not c.api_keys.revoke(key_id):
            fail(f"no such key: {key_id}", 1)
        c.audit.note(operator(), "key.revoke", key_id)
    if json_output:
        as_json({"id": key_id, "revoked": True})
    else:
        print(f"{key_id} is revoked.")


def _view(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "application": key.application,
        "scopes": sorted(key.scopes),
        "created_at": time_view(key.created_at),
    }
