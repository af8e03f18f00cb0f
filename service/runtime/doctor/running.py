"""Checks of the service itself: who answers, who decides, who may call."""

from importlib.util import find_spec

import requests

from service.domain.api_keys import Scope
from service.domain.errors import KeyUnusable, SchemaUnknown
from service.runtime.doctor.finding import Finding, fail, ok, skip, warn
from service.runtime.doctor.site import PATIENCE, Site
from service.runtime.errors import StartError
from service.settings import Settings, SettingsError
from service.store.api_keys import ApiKeyStore
from service.store.health import HealthStore
from service.store.keyring import open_keyring
from service.store.migrations import CURRENT
from service.store.queues import QueueStore
from service.store.schema import Schema

BEHIND, FAR_BEHIND = 5, 60  # seconds
NO_PASSWORD = 20003  # Twilio's code for it


def web(site: Site) -> Finding:
    """Whether the web server of this data folder answers."""
    if site.running is None:
        return skip(f"no `otp-fallback serve` runs on {site.folder}")
    url = f"{site.running.url}/readyz"
    try:
        status = requests.get(url, timeout=PATIENCE).status_code
    except requests.RequestException:
        return fail(f"{url} does not answer", f"look at what `serve` (pid {site.running.pid}) logs")
    if status != 200:
        return fail(f"{url} answers {status}", "most often Redis can't be reached: see `redis`")
    return ok(f"{site.running.url} answers")


def public_url(site: Site) -> Finding:
    """Whether users reach us at `OTP_PUBLIC_URL`."""
    url = site.settings.public_url
    if url is None:
        return skip("OTP_PUBLIC_URL is unset: links lead to where the caller called")
    try:
        answers = _is_ours(requests.get(f"{url}/healthz", timeout=PATIENCE))
    except requests.exceptions.SSLError:
        return fail(
            f"{url}: its certificate is not trusted here",
            "serve the whole chain of a certificate for this name; see `certificate.public_url`",
        )
    except requests.RequestException:
        return fail(
            f"{url} can't be reached",
            "check DNS, firewall and proxy; if only this machine can't, look from outside instead",
        )
    if not answers:
        return fail(
            f"{url}/healthz is not answered by this service",
            "let the proxy at OTP_PUBLIC_URL forward every path to OTP_HOST:OTP_PORT",
        )
    if not url.startswith("https://"):
        return warn(f"{url} answers, without TLS", "put a proxy with TLS before it, and set OTP_PUBLIC_URL")
    return ok(f"{url} answers")


def twilio_api(site: Site) -> Finding:
    """Whether Twilio's API is reached there, too, and asks for the password that its SDKs send."""
    sids = f"/v2/Services/VA{'0' * 32}/Verifications/VE{'0' * 32}"
    answer = requests.get(f"{site.settings.public_url}{sids}", timeout=PATIENCE)
    try:
        code = answer.json()["code"]
    except (requests.JSONDecodeError, KeyError, TypeError):
        code = None
    if (answer.status_code, code) != (401, NO_PASSWORD):
        return warn(
            "/v2 at OTP_PUBLIC_URL is not answered by this service: logins that come from Twilio Verify fail",
            "let the proxy forward /v2, with its Authorization header, and ask for no password of its own",
        )
    return ok("/v2, for logins that come from Twilio Verify, answers")


def _is_ours(answer: requests.Response) -> bool:
    try:
        return bool(answer.json() == {"status": "ok"})
    except requests.JSONDecodeError:
        return False


def worker(site: Site) -> Finding:
    """Whether a worker decides."""
    _, _, deciding = HealthStore(site.store).overview()
    if not deciding:
        return fail(
            "no worker decides: outages are not noticed, and nobody's late SMS is given up",
            "run `otp-fallback serve`, or `otp-fallback worker` beside it, and look at what it logs",
        )
    return ok("a worker decides")


def outbox(site: Site) -> Finding:
    """Whether the deciding worker keeps up."""
    since = HealthStore(site.store).unread_since()
    behind = 0 if since is None else (site.clock() - since) / 1000
    mend = "see `worker`; if one decides, give it more of a processor"
    if behind >= FAR_BEHIND:
        return fail(f"the oldest event that no worker has read is {behind:.0f} s old", mend)
    if behind >= BEHIND:
        return warn(f"the oldest event that no worker has read is {behind:.0f} s old", mend)
    return ok("every event was read")


def queues(site: Site) -> Finding:
    """Whether jobs are taken when they are due."""
    now = site.clock()
    found = QueueStore(site.store).lengths(now)
    late = {name: (now - q.oldest) / 1000 for name, q in found.items() if q.oldest is not None}
    worst = max(late, key=lambda name: late[name], default=None)
    if worst is not None and late[worst] >= BEHIND:
        told = f"{found[worst].due} {worst} wait, the oldest for {late[worst]:.0f} s"
        return (fail if late[worst] >= FAR_BEHIND else warn)(told, "see `worker`, and what it logs")
    return ok("nothing waits for longer than it has to")


def master_keys(site: Site) -> Finding:
    """Where the master keys come from."""
    try:
        sealer = site.sealer
    except (SettingsError, StartError) as error:
        return fail(str(error), "README says in which forms the master keys can be given")
    if sealer is None:
        return fail(
            f"OTP_MASTER_KEYS is unset, and {site.folder} holds no generated key",
            "set OTP_MASTER_KEYS, or OTP_DATA_DIR to the folder of `serve`",
        )
    given = site.given.master_keys_given
    source = given[0] if given else f"{site.folder.show(site.folder.master_keys)}, where they were generated"
    return ok(f"{sealer.count} from {source}; {sealer.current} seals")


def schema(site: Site) -> Finding:
    """Whether this version knows the form in which everything is kept."""
    try:
        found = Schema(site.store).read()
    except SchemaUnknown as error:
        return fail(error.detail, "install that version; see CHANGELOG.md")
    if found is None:
        return skip("this Redis holds nothing yet: the first start gives it its schema")
    if found < CURRENT:
        return warn(
            f"the state is of schema {found}, and this version's is {CURRENT}",
            "start this version, or run `otp-fallback migrate`: either brings it up",
        )
    return ok(f"the state is of schema {found}, as this version's")


def keyring(site: Site) -> Finding:
    """Whether the master keys open what is stored."""
    assert site.sealer is not None  # noqa: S101 - `master_keys` found one
    try:
        found = open_keyring(site.store, site.sealer)
    except KeyUnusable as error:
        return fail(
            error.detail, "put the key that is named back into OTP_MASTER_KEYS (or into the data folder)"
        )
    if found is None:
        return skip("this Redis holds no data keys yet: the first start makes them")
    return ok("the master keys open the data keys")


def api_keys(site: Site) -> Finding:
    """Whether somebody may call, and somebody may operate."""
    found = ApiKeyStore(site.store, b"").all()
    make = "otp-fallback keys create --name NAME --scope"
    if not found:
        return warn("there is no API key: nobody can call", f"{make} challenges --scope enrollments")
    if not any(Scope.OPS in key.scopes for key in found):
        return warn("no API key has the scope ops: nobody can operate by the API", f"{make} ops")
    if site.given.env == "production" and site.given.bootstrap_api_key is not None:
        return warn(
            "OTP_BOOTSTRAP_API_KEY is still set: whoever reads the environment has every scope",
            "make other keys with `otp-fallback keys create`, unset it, and revoke it with `keys revoke`",
        )
    return ok(f"{len(found)} API key{'s' * (len(found) != 1)}")


def traces(site: Site) -> Finding:
    """Whether what was set up to be traced can be."""
    if site.given.otlp_endpoint is None:
        return skip("OTEL_EXPORTER_OTLP_ENDPOINT is unset: nothing is traced")
    if find_spec("opentelemetry") is None:
        return warn(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: nothing is traced",
            "pip install 'otp-fallback[otel]', or unset it",
        )
    return ok("OpenTelemetry is installed")


def pages(site: Site) -> Finding:
    """Whether pages know whose they are, and where to send users back to."""
    settings = site.given
    if settings.env != "production":
        return skip("looked at in production only")
    unset = [name for name, is_unset in _page_settings(settings).items() if is_unset]
    if unset:
        return warn(
            f"{', '.join(unset)} unset: users don't see your name, or can't be sent back to you",
            "set them; README has a line on each",
        )
    return ok("name, colour, logo and return addresses are set")


def _page_settings(settings: Settings) -> dict[str, bool]:
    """Those of the pages, and whether each is as it comes."""
    defaults = type(settings).model_fields
    return {
        "OTP_ISSUER": settings.issuer == defaults["issuer"].default,
        "OTP_BRAND_COLOR": settings.brand_color == defaults["brand_color"].default,
        "OTP_BRAND_LOGO": settings.brand_logo is None,
        "OTP_RETURN_URLS": settings.return_urls is None,
    }
