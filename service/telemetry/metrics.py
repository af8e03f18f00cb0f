"""Every metric. Labels come from small fixed sets: no ids, no contacts."""

from functools import cache
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

M = TypeVar("M", Counter, Histogram)

CHALLENGES = Counter("otp_challenges_total", "Challenges started, by the status they started in.", ["status"])
APPROVALS = Counter("otp_approvals_total", "Challenges approved, by the channel that did.", ["channel"])
WRONG_CODES = Counter("otp_wrong_codes_total", "Attempts with a code that was not accepted.")
SWITCHES = Counter(
    "otp_switches_total", "Challenges that moved to another channel.", ["source", "target", "reason"]
)
DEAD_ENDS = Counter(
    "otp_dead_ends_total", "Why each channel of a challenge that failed could not serve.", ["channel", "why"]
)
START_SECONDS = Histogram(
    "otp_start_seconds",
    "Time to start a challenge, waiting for providers included.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5),
)
SENDS = Counter(
    "otp_sends_total",
    "Sends by outcome: sent, or the failure's class.",
    ["provider", "channel", "country", "outcome"],
)
SEND_FAILURES = Counter(
    "otp_send_failures_total",
    "Failed sends, though the user may have got in another way.",
    ["provider", "channel", "failure_class", "code"],
)
REFUSED_SENDS = Counter(
    "otp_refused_sends_total", "Messages that were not sent by our own decision.", ["channel", "why"]
)
RATE_LIMITED = Counter("otp_rate_limited_total", "Requests that a limit refused.", ["limit"])
FRAUD_SUSPECTED = Counter(
    "otp_fraud_suspected_total", "Blocks of numbers in which toll fraud was suspected.", ["country"]
)
SEND_SECONDS = Histogram(
    "otp_send_seconds",
    "How long a provider took to answer a send.",
    ["provider", "channel"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5),
)
ROUTE_STATE = Gauge(
    "otp_route_state",
    "1 for the state that a route is in.",
    ["route", "state"],
    multiprocess_mode="mostrecent",
)
TRANSITIONS = Counter("otp_route_transitions_total", "Changes of routes' states.", ["route", "to", "reason"])
DELIVERY_REPORTS = Counter(
    "otp_delivery_reports_total", "What providers reported of messages.", ["channel", "status", "code"]
)
NOTICES = Counter(
    "otp_notices_total",
    "Letters to users about changes: sent, failed (tried again) or suppressed.",
    ["kind", "outcome"],
)
INCIDENTS = Counter(
    "otp_incidents_total",
    "Incidents opened and resolved, whether or not users got in.",
    ["provider", "event"],
)
WEBHOOKS = Counter(
    "otp_webhooks_total",
    "Tries to tell webhooks: delivered, failed (tried again), dead (given up), dropped (too many waited).",
    ["outcome"],
)
ALERTS = Counter(
    "otp_alerts_total",
    "Tries to alert a target: delivered, failed (tried again), dead (given up), dropped (too many waited).",
    ["outcome"],
)
STATUS_FEED = Counter("otp_status_feed_total", "Looks at the provider's status page.", ["outcome"])
CHECKS = Counter(
    "otp_provider_checks_total", "Codes that a provider was asked about.", ["provider", "outcome"]
)
WORKER_STEP = Gauge(
    "otp_worker_last_step_timestamp_seconds",
    "When a worker last took due challenges (deadlines), and last decided on health (health).",
    ["step"],
    multiprocess_mode="max",
)
OUTBOX_LAG = Gauge(
    "otp_outbox_lag_seconds",
    "Age of the oldest event that the deciding worker has not read.",
    multiprocess_mode="mostrecent",
)
QUEUE_LENGTH = Gauge(
    "otp_queue_length",
    "Jobs of the workers: due and not taken, or due later.",
    ["queue", "state"],
    multiprocess_mode="mostrecent",
)
QUEUE_AGE = Gauge(
    "otp_queue_overdue_seconds",
    "For how long the oldest job has been due.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
REQUESTS = Counter("otp_http_requests_total", "Answered requests.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "otp_http_request_seconds",
    "Time to answer, waiting for providers included.",
    ["route", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SLOW_CLIENTS = Counter(
    "otp_slow_clients_total",
    "Connections ended because a header or body came too slowly, or an answer was not read.",
    ["part"],
)


@cache
def of(metric: M, *labels: str) -> M:
    """A metric's part with these labels. Kept: to find it by its labels takes a lock, each time."""
    return metric.labels(*labels)


@cache
def answered(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """What counts and times answers of a kind."""
    return REQUESTS.labels(route, method, status), REQUEST_SECONDS.labels(route, method)
