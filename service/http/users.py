"""`/v1/users/{user_id}`."""

from typing import Any

from flask import Blueprint

from service.domain.api_keys import Scope
from service.domain.contacts import Email, Phone
from service.domain.errors import FieldFault, InvalidInput
from service.domain.links import LinkKind
from service.domain.toll_fraud import earns
from service.edge import public_url
from service.http.endpoint import Answer, Call, endpoint, who
from service.http.schemas.common import EmptyRequest
from service.http.schemas.users import (
    BackupCodesView,
    ContactsRequest,
    ContactsView,
    FactorsView,
    LinkRequest,
    LinkView,
    UnlockRequest,
    UnlockView,
)
from service.http.views import contacts_view, factors_view, time_view
from service.i18n import negotiate

api = Blueprint("users", __name__)


@endpoint(
    api,
    "GET",
    "/v1/users/{user_id}/factors",
    scope=Scope.ENROLLMENTS,
    answers={200: FactorsView},
)
def list_factors(call: Call[EmptyRequest]) -> Answer:
    """List what a user has enrolled; nothing for one never seen."""
    user = call.services.enroll.user(call.caller.application, call.path["user_id"])
    return Answer(factors_view(user))


@endpoint(
    api,
    "DELETE",
    "/v1/users/{user_id}/factors/{factor_id}",
    scope=Scope.ENROLLMENTS,
    answers={204: None},
    errors=("factor_not_found", "state_conflict"),
)
def remove_factor(call: Call[EmptyRequest]) -> Answer:
    """Remove an authenticator app."""
    call.services.enroll.remove(call.caller.application, call.path["user_id"], call.path["factor_id"])
    return Answer(None, 204)


@endpoint(
    api,
    "POST",
    "/v1/users/{user_id}/backup-codes",
    scope=Scope.ENROLLMENTS,
    body=EmptyRequest,
    answers={201: BackupCodesView},
    errors=("state_conflict",),
)
def renew_backup_codes(call: Call[EmptyRequest]) -> Answer:
    """Make new backup codes; the old ones are void."""
    codes = call.services.enroll.new_backup_codes(call.caller.application, call.path["user_id"])
    return Answer({"backup_codes": codes}, 201)


@endpoint(
    api,
    "POST",
    "/v1/users/{user_id}/link",
    scope=Scope.ENROLLMENTS,
    body=LinkRequest,
    answers={201: LinkView},
)
def link_account(call: Call[LinkRequest]) -> Answer:
    """Make a link to the page on which a user manages factors."""
    path, link = call.services.links.issue(
        LinkKind.ACCOUNT,
        call.caller.application,
        call.path["user_id"],
        return_url=call.body.return_url,
        locale=negotiate([call.body.locale]) if call.body.locale else None,
    )
    view = {
        "account_url": public_url(call.services.core.settings) + path,
        "expires_at": time_view(link.open_until),
    }
    return Answer(view, 201)


@endpoint(
    api,
    "PUT",
    "/v1/users/{user_id}/contacts",
    scope=Scope.ENROLLMENTS,
    body=ContactsRequest,
    answers={200: ContactsView},
    errors=("state_conflict",),
)
def put_contacts(call: Call[ContactsRequest]) -> Answer:
    """Set a user's contacts, verified by the application."""
    given: dict[str, Any] = {}
    if "phone" in call.body.model_fields_set:
        given["phone"] = _phone(call.body.phone) if call.body.phone is not None else None
    if "email" in call.body.model_fields_set:
        given["email"] = Email.parse(call.body.email) if call.body.email is not None else None
    if call.body.locale is not None:
        given["locale"] = negotiate([call.body.locale])
    user = call.services.enroll.set_contacts(call.caller.application, call.path["user_id"], **given)
    return Answer(contacts_view(user))


@endpoint(
    api,
    "POST",
    "/v1/users/{user_id}/unlock",
    scope=Scope.OPS,
    body=UnlockRequest,
    answers={200: UnlockView},
    errors=("failure_not_found", "state_conflict"),
)
def unlock_user(call: Call[UnlockRequest]) -> Answer:
    """Let a user begin anew after too many wrong codes.

    In place of a user, a number or address that `/v2` verifies may be named; it is nobody's, and has no id.
    """
    before = call.services.unlock(call.caller.application, call.path["user_id"], call.body.reason, who(call))
    return Answer({"failures": before.number})


@endpoint(
    api,
    "DELETE",
    "/v1/users/{user_id}",
    scope=Scope.ENROLLMENTS,
    answers={204: None},
    errors=("state_conflict",),
)
def forget_user(call: Call[EmptyRequest]) -> Answer:
    """Forget a user and everything enrolled."""
    call.services.enroll.forget(call.caller.application, call.path["user_id"])
    return Answer(None, 204)


def _phone(text: str) -> Phone:
    phone = Phone.parse(text)
    if earns(phone):
        raise InvalidInput(FieldFault("phone", "a premium-rate or shared-cost number gets no codes"))
    return phone
