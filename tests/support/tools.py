"""Programs that are not Python's, and look at what the service made with eyes of their own."""

import os
import shutil

import pytest

PACKAGES = {
    "zbarimg": "zbar-tools",
    "oathtool": "oathtool",
    "promtool": "prometheus",
    "node": "nodejs",
    "npm": "npm",
}


def independent(tool: str) -> str:
    """Where a program is; without it the test is skipped, or fails where all of them are required."""
    found = shutil.which(tool)
    if found is None:
        if os.environ.get("OTP_REQUIRE_TOOLS"):
            pytest.fail(f"no {tool} on this machine, and OTP_REQUIRE_TOOLS is set")
        pytest.skip(f"no {tool} on this machine (Debian: apt-get install {PACKAGES[tool]})")
    return found
