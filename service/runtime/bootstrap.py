"""A short-lived process that brings the state up, makes the first API key, and prints it to its parent."""

import json
import sys

from service import garbage


def main() -> int:
    """Print `{"api_key": KEY or null}`; the exit status. `--given` makes no key that was not given."""
    garbage.look_seldom()
    from service.core import bootstrap_keys
    from service.domain.errors import KeyUnusable, SchemaUnknown, StoreUnavailable
    from service.runtime.progress import upgrading
    from service.settings import Settings

    invent = "--given" not in sys.argv
    try:
        print(json.dumps({"api_key": bootstrap_keys(Settings.load(), upgrade=upgrading, invent=invent)}))
    except (StoreUnavailable, KeyUnusable, SchemaUnknown) as error:
        print(f"otp-fallback: {error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
