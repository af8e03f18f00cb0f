"""`otp-fallback rotate-keys`."""

from service.cli.output import as_json, core, operator, require_sentence
from service.flows.rotation import OLD_KEY_NEEDED, Rotated, RotateKeys
from service.http.views import time_view
from service.runtime.progress import progress


def rotate_keys(json_output: bool) -> None:
    """Seal everything again under the first of the master keys."""
    with core() as c:
        rotate = RotateKeys(c.store, c.sealer, c.users, c.webhook_store, c.signing)
        total = c.readiness()[0].users
        done = Rotated(0, 0)
        with progress("sealing again", total) as advance:
            for done in rotate():
                advance(done.looked_at)
    if json_output:
        as_json({"key": rotate.key_id, "users": done.looked_at, "resealed": done.resealed})
        return
    print(f"{done.looked_at} users are sealed under {rotate.key_id}, {done.resealed} of them since now.")
    print(f"Keep the older keys for {OLD_KEY_NEEDED // 60} more minutes, for what is under way.")


def rotate_proofs(now: bool, reason: str | None, json_output: bool) -> None:
    """Put a new key for proofs in its place."""
    if reason is not None:
        require_sentence("--reason", reason)
    with core() as c:
        turn = c.rotate_signing_key(operator(), reason=reason, at_once=now)
    signs_from = time_view(turn.signs_from)
    if json_output:
        as_json(
            {"key": turn.kid, "signs_from": signs_from, "published": list(turn.published), "made": turn.made}
        )
    elif now:
        print(f"{turn.kid} signs proofs; those of every other key are refused here within seconds.")
        print("Whoever keeps the published keys may believe the others for 5 more minutes.")
    elif turn.made:
        print(f"{turn.kid} is published, and signs proofs from {signs_from} on.")
    else:
        print(f"{turn.kid} is published already, and signs proofs from {signs_from} on; none was made.")
