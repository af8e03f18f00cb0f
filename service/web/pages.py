"""How a page is made: templates, language, and the headers that every page has."""

from collections.abc import Mapping
from functools import cache, partial

from babel import Locale
from flask import Response, current_app, request
from jinja2 import Environment, PackageLoader, StrictUndefined

from service.app import Services
from service.i18n import day, negotiate, translate, translate_count
from service.web.assets import Assets

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS = {"Vary": "Accept-Language, Cookie"}  # the others are every answer's: service/http/headers.py


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("service.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def services() -> Services:
    """What the pages call."""
    found: Services = current_app.extensions["otp"]
    return found


def locale_of(chosen: str | None) -> str:
    """A link's language, else the best of the browser's."""
    return chosen or negotiate(request.accept_languages.values())


def page(
    template: str,
    locale: str,
    values: Mapping[str, object],
    *,
    status: int = 200,
) -> Response:
    """A page.

    Args:
        template: its file in `templates/`.
        locale: its language.
        values: what the template shows.
        status: HTTP's.
    """
    assets: Assets = current_app.extensions["otp-assets"]
    html = (
        _environment()
        .get_template(template)
        .render(
            {
                "locale": locale,
                "dir": Locale.parse(locale).text_direction,
                "issuer": services().core.settings.issuer,
                "asset": assets.url,
                "logo": assets.logo,
                "_": partial(translate, locale),
                "ngettext": partial(translate_count, locale),
                "day": partial(day, locale=locale),
                **values,
            }
        )
    )
    headers = {**_HEADERS, "Content-Security-Policy": POLICY, "Content-Language": locale}
    return Response(html, status, headers, content_type="text/html; charset=utf-8")


def goto(address: str) -> Response:
    """Look there next, by GET."""
    response = Response(status=303, headers={**_HEADERS, "Location": address})
    response.autocorrect_location_header = False
    return response
