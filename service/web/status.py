"""`/status`: how things are, for everybody, with a feed and a badge."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime

from babel.numbers import format_percent
from flask import Blueprint, Response, request

from service.domain.incidents import Incident, Progress
from service.domain.notices import CHANNEL_NAMES, DELAYED, N_
from service.domain.uptime import Condition, channels_of
from service.edge import public_url
from service.flows.public_status import Status
from service.i18n import join, moment, negotiate, translate
from service.web import trouble
from service.web.pages import locale_of, page, services

RECENT = 14 * 86_400_000  # ms that an incident is shown after its end
FEED_LENGTH = 25  # incidents
_ATOM = "http://www.w3.org/2005/Atom"

api = Blueprint("status", __name__)
trouble.register(api)

_HEADINGS: Mapping[Condition, str] = {
    "operational": N_("Everything works"),
    "degraded_performance": N_("Codes may be delayed"),
    "partial_outage": N_("Some codes are delayed"),
    "major_outage": N_("Codes are delayed"),
}
_CONDITIONS: Mapping[Condition, str] = {
    "operational": N_("works"),
    "degraded_performance": N_("may be delayed"),
    "partial_outage": N_("delayed for some"),
    "major_outage": N_("delayed"),
}
_PROGRESS: Mapping[Progress, str] = {
    "investigating": N_("We are looking into it."),
    "identified": N_("The cause is known."),
    "monitoring": N_("It is getting better; we are watching it."),
    "resolved": N_("It is over."),
}
_COLOURS = {
    "operational": "#1a7f37",
    "degraded_performance": "#8a6100",
    "partial_outage": "#a6480c",
    "major_outage": "#b3241c",
}


@api.get("/status")
def status_page() -> Response:
    """The page."""
    status, locale = services().public_status(), _locale()
    recent = [i for i in status.incidents if not i.resolved_at or i.resolved_at > status.at - RECENT]
    return page(
        "status.html",
        locale,
        {
            "heading": _HEADINGS[status.condition],
            "condition": status.condition,
            "components": [
                {
                    "name": CHANNEL_NAMES[component.channel],
                    "condition": component.condition,
                    "words": _CONDITIONS[component.condition],
                    "days": component.days,
                    "uptime": format_percent(component.uptime, format="#,##0.00 %", locale=locale),
                }
                for component in status.components
            ],
            "incidents": [_shown(incident, locale) for incident in recent],
            "when": moment(status.at, locale),
        },
    )


@api.get("/status.atom")
def status_feed() -> Response:
    """The incidents as a feed (RFC 4287)."""
    status, locale = services().public_status(), _locale()
    return Response(_feed(status, locale), content_type="application/atom+xml; charset=utf-8")


@api.get("/status/badge.svg")
def status_badge() -> Response:
    """A badge to embed."""
    status, locale = services().public_status(), _locale()
    name, words = services().core.settings.issuer, translate(locale, _HEADINGS[status.condition])
    response = Response(_badge(name, words, _COLOURS[status.condition]), content_type="image/svg+xml")
    response.headers["Cache-Control"] = "public, max-age=30"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _locale() -> str:
    asked = request.args.get("locale")
    return negotiate([asked]) if asked else locale_of(None)


def _shown(incident: Incident, locale: str) -> dict[str, object]:
    minutes = max(1, round(incident.duration(services().core.clock()) / 60_000))
    updates = [entry for entry in incident.timeline if entry.public and entry.text]
    return {
        "id": incident.id,
        "title": _title(incident, locale),
        "progress": _PROGRESS[incident.status],
        "began": moment(incident.opened_at, locale),
        "resolved": bool(incident.resolved_at),
        "minutes": minutes,
        "updates": [{"at": moment(entry.at, locale), "text": entry.text} for entry in updates[::-1]],
    }


def _title(incident: Incident, locale: str) -> str:
    channels = channels_of(incident)
    return (
        join(locale, (DELAYED[c] for c in channels)) if channels else translate(locale, "Codes are delayed")
    )


def _feed(status: Status, locale: str) -> bytes:
    settings = services().core.settings
    url = public_url(settings)
    ET.register_namespace("", _ATOM)

    def element(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
        made = ET.SubElement(parent, f"{{{_ATOM}}}{tag}", attributes)
        made.text = text or None
        return made

    feed = ET.Element(f"{{{_ATOM}}}feed", {"xml:lang": locale})
    element(feed, "id", f"{url}/status")
    element(feed, "title", settings.issuer)
    element(feed, "link", rel="self", href=f"{url}/status.atom")
    element(feed, "link", rel="alternate", href=f"{url}/status")
    incidents = status.incidents[:FEED_LENGTH]
    newest = max((incident.updated_at for incident in incidents), default=status.at)
    element(feed, "updated", _rfc3339(newest))
    element(element(feed, "author"), "name", settings.issuer)
    for incident in incidents:
        entry = element(feed, "entry")
        element(entry, "id", f"{url}/status#{incident.id}")
        element(entry, "title", _title(incident, locale))
        element(entry, "link", rel="alternate", href=f"{url}/status#{incident.id}")
        element(entry, "published", _rfc3339(incident.opened_at))
        element(entry, "updated", _rfc3339(incident.updated_at))
        said = [e.text for e in incident.timeline if e.public and e.text]
        words = [translate(locale, _PROGRESS[incident.status]), *said[::-1]]
        element(entry, "content", "\n".join(words), type="text")
    return bytes(ET.tostring(feed, encoding="utf-8", xml_declaration=True))


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).isoformat().replace("+00:00", "Z")


def _badge(name: str, words: str, colour: str) -> bytes:
    left, right = 14 + 7 * len(name), 14 + 7 * len(words)
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": str(left + right),
            "height": "20",
            "role": "img",
            "aria-label": f"{name}: {words}",
        },
    )
    ET.SubElement(svg, "title").text = f"{name}: {words}"
    ET.SubElement(svg, "rect", {"width": str(left + right), "height": "20", "rx": "3", "fill": "#3d424d"})
    ET.SubElement(
        svg, "rect", {"x": str(left), "width": str(right), "height": "20", "rx": "3", "fill": colour}
    )
    style = {"fill": "#fff", "font-family": "Verdana,DejaVu Sans,sans-serif", "font-size": "11"}
    for text, middle, width in ((name, left / 2, left - 12), (words, left + right / 2, right - 12)):
        label = ET.SubElement(
            svg,
            "text",
            {**style, "x": f"{middle:g}", "y": "14", "text-anchor": "middle", "textLength": str(width)},
        )
        label.text = text
    return bytes(ET.tostring(svg, encoding="utf-8"))
