"""The headers that every answer has, unless it says otherwise: for API answers, which nothing should show.

Pages have their own (`service/web/pages.py`): they load a style sheet and a script.
"""

from collections.abc import Mapping

HSTS_SECONDS = 365 * 24 * 3600

DEFAULTS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that don't know frame-ancestors
}


def defaults(public_url: str | None) -> Mapping[str, str]:
    """Those of an installation: one that users reach by TLS asks browsers to come by TLS only (RFC 6797).

    For this host alone: others below the same name are not ours to decide about.
    """
    if (public_url or "").startswith("https://"):
        return {**DEFAULTS, "Strict-Transport-Security": f"max-age={HSTS_SECONDS}"}
    return DEFAULTS
