"""How an endpoint of Twilio's is declared: HTTP Basic and forms in, Twilio's JSON out."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Response, current_app, g, request

from service.app import Services
from service.domain.api_keys import ApiKey, Scope
from service.domain.errors import FieldFault, InvalidInput, NotFound, ScopeMissing, Unauthenticated
from service.domain.text import is_user_id
from service.edge import public_url
from service.http.twilio.sids import is_account, is_key, is_sid

MOST_CREDENTIALS = 1024  # characters


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request of a service (`VA...`) that somebody's SDK believes to talk to."""

    services: Services
    caller: ApiKey
    account_sid: str
    service_sid: str
    path: Mapping[str, str]

    @property
    def application(self) -> str:
        """Whose users and verifications they are."""
        return self.caller.application

    @property
    def url(self) -> str:
        """Where the service is, in answers."""
        return f"{public_url(self.services.core.settings)}/v2/Services/{self.service_sid}"

    def given(self, name: str, *, longest: int = 256) -> str | None:
        """A parameter of the form; empty is as none. Raises `InvalidInput`."""
        text = request.form.get(name)
        if not text:
            return None
        if len(text) > longest or "\0" in text or "\ufffd" in text:
            raise InvalidInput(FieldFault(name, f"expected at most {longest} characters"))
        return text

    def required(self, name: str, *, longest: int = 256) -> str:
        """A parameter that must be there. Raises `InvalidInput`."""
        text = self.given(name, longest=longest)
        if text is None:
            raise InvalidInput(FieldFault(name, "missing"))
        return text


def endpoint(
    blueprint: Blueprint, method: str, path: str, *, scope: Scope, status: int = 200
) -> Callable[[Callable[[Call], dict[str, Any] | None]], Callable[..., Response]]:
    """Declare an endpoint below `/v2/Services/{service_sid}`; it gives the body, `None` for an empty one."""

    def declare(handler: Callable[[Call], dict[str, Any] | None]) -> Callable[..., Response]:
        @wraps(handler)
        def view(service_sid: str, **path_values: str) -> Response:
            services: Services = current_app.extensions["otp"]
            caller, account_sid = _authenticate(services)
            if not caller.may(scope, change=method != "GET"):
                raise ScopeMissing(f"This API key lacks the scope {scope}.")
            # The key says whose users they are; the service's SID is the one that the SDK was given.
            if not is_sid(service_sid, "VA") or not is_user_id(path_values.get("identity", "-")):
                raise NotFound("service")
            body = handler(Call(services, caller, account_sid, service_sid, path_values))
            if body is None:
                return Response(status=204)
            return Response(json.dumps(body, ensure_ascii=False), status, content_type="application/json")

        blueprint.add_url_rule(
            f"/v2/Services/<service_sid>{path}",
            handler.__name__,
            view,
            methods=[method],
            provide_automatic_options=False,
        )
        return view

    return declare


def _authenticate(services: Services) -> tuple[ApiKey, str]:
    """The API key that is the password, and the account's SID that answers name.

    The user name is the SID of an account or of a key of Twilio's (whichever the SDK was given: it opens
    nothing), or this key's own id.
    """
    name, password = _credentials()
    caller = services.api_keys.find(password) if password else None
    if caller is None or not (is_account(name) or is_key(name) or name == caller.id):
        raise Unauthenticated("This API key is unknown or was revoked.")
    g.key_id = caller.id
    own = services.core.settings.twilio_account_sid
    return caller, name if is_account(name) else own or "AC" + "0" * 32


def _credentials() -> tuple[str, str]:
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic" or len(encoded) > MOST_CREDENTIALS:
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
