"""What pages load: our own style sheet, script and icon, the installation's colour and logo.

Served under names that hold a hash of the content, so that browsers keep them for good.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Self

from flask import Blueprint, Response, abort, current_app

from service.settings import Settings
from service.web import brand

api = Blueprint("assets", __name__)

_OURS = ("ui.css", "ui.js", "icon.svg", "console.css", "console.js", "docs.css")
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}


@dataclass(frozen=True, slots=True)
class Assets:
    """Everything by the name it is served under, and those names by the plain ones."""

    contents: Mapping[str, bytes]
    names: Mapping[str, str]

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read them once."""
        folder = files("service.web").joinpath("assets")
        plain = {name: folder.joinpath(name).read_bytes() for name in _OURS}
        plain["brand.css"] = brand.style_sheet(settings.brand_color).encode()
        if settings.brand_logo is not None:
            plain[f"logo{settings.brand_logo.suffix.lower()}"] = settings.brand_logo.read_bytes()
        names = {name: _hashed(name, content) for name, content in plain.items()}
        return cls({names[name]: content for name, content in plain.items()}, names)

    def url(self, name: str) -> str:
        """Where a page finds one."""
        return f"/assets/{self.names[name]}"

    @property
    def logo(self) -> str | None:
        """The installation's logo."""
        return next((self.url(name) for name in self.names if name.startswith("logo.")), None)


@api.get("/assets/<name>")
def asset(name: str) -> Response:
    """One asset."""
    assets: Assets = current_app.extensions["otp-assets"]
    content = assets.contents.get(name)
    if content is None:
        abort(404)
    return Response(
        content,
        content_type=_TYPES[name.rpartition(".")[2]],
        headers={
            "Cache-Control": "public, max-age=31536000, immutable",
            # A logo is somebody's SVG: opened by itself, it may run nothing.
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )


def _hashed(name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
