"""`/console/audit`: who did what."""

import re

from flask import Response, request

from service.flows.operators import Operator
from service.web.console.frame import console_pages, for_operators, show
from service.web.pages import services

PAGE = 50

api = console_pages("audit")


@for_operators(api, "GET", "/audit")
def audit(operator: Operator) -> Response:
    """The trail, newest first."""
    before = request.args.get("before", "")
    known = re.fullmatch(r"[0-9]{1,16}-[0-9]{1,16}", before)
    entries = services().audit.newest(PAGE, before if known else None)
    following = entries[-1]["id"] if len(entries) == PAGE else None
    return show("audit.html", operator, {"entries": entries, "following": following})
