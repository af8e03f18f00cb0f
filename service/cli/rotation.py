"""`otp-fallback rotate-keys`."""

from service.cli.output import as_json, core
from service.flows.rotation import OLD_KEY_NEEDED, Rotated, RotateKeys
from service.runtime.progress import progress


def rotate_keys(json_output: bool) -> None:
    """Seal everything again under the first of the master keys."""
    with core() as c:
        rotate = RotateKeys(c.store, c.sealer, c.users, c.webhook_store)
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
