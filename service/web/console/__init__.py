"""`/console`: for operators. In English: those who read it read the runbooks and the logs too."""

from service.web.console import audit, drills, incidents, mode, overview, sign_in, users, webhooks

PAGES = (sign_in.api, overview.api, mode.api, incidents.api, drills.api, users.api, webhooks.api, audit.api)
