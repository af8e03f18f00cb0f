"""A short-lived process that makes the first API key and prints it as one JSON line to its parent."""

import json
import sys


def main() -> int:
    """Print `{"api_key": KEY or null}`; the exit status."""
    from service.app import bootstrap_keys
    from service.domain.errors import KeyUnusable, StoreUnavailable
    from service.settings import Settings

    try:
        print(json.dumps({"api_key": bootstrap_keys(Settings.load())}))
    except (StoreUnavailable, KeyUnusable) as error:
        print(f"otp-fallback: {error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
