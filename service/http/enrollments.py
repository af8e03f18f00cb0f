"""`/v1/enrollments`."""

from flask import Blueprint

from service.domain.api_keys import Scope
from service.domain.links import LinkKind
from service.domain.totp import provisioning_uri
from service.edge import public_url
from service.http.endpoint import Answer, Call, endpoint
from service.http.schemas.users import ConfirmRequest, ConfirmView, EnrollmentView, EnrollRequest
from service.http.views import factor_view, time_view
from service.i18n import negotiate
from service.qr import qr_svg

api = Blueprint("enrollments", __name__)


@endpoint(
    api,
    "POST",
    "/v1/enrollments",
    scope=Scope.ENROLLMENTS,
    body=EnrollRequest,
    answers={201: EnrollmentView},
)
def begin_enrollment(call: Call[EnrollRequest]) -> Answer:
    """Begin to enrol an authenticator app."""
    asked = call.body
    call.services.links.require_allowed(asked.return_url)
    locale = negotiate([asked.locale]) if asked.locale else None
    enrollment = call.services.enroll.begin(
        call.caller.application,
        asked.user_id,
        label=asked.label,
        device_name=asked.device_name,
        locale=locale,
    )
    uri = provisioning_uri(
        enrollment.secret,
        account=asked.label or asked.user_id,
        issuer=call.services.core.settings.issuer,
    )
    path, _ = call.services.links.issue(
        LinkKind.ENROLL,
        call.caller.application,
        asked.user_id,
        target=enrollment.id,
        ends_at=enrollment.expires_at,
        return_url=asked.return_url,
        locale=locale,
    )
    return Answer(
        {
            "id": enrollment.id,
            "secret": enrollment.secret,
            "otpauth_uri": uri,
            "qr_svg": qr_svg(uri),
            "enrollment_url": public_url(call.services.core.settings) + path,
            "expires_at": time_view(enrollment.expires_at),
        },
        201,
    )


@endpoint(
    api,
    "POST",
    "/v1/enrollments/{id}/confirm",
    scope=Scope.ENROLLMENTS,
    body=ConfirmRequest,
    answers={200: ConfirmView},
    errors=("enrollment_not_found", "enrollment_ended", "state_conflict"),
)
def confirm_enrollment(call: Call[ConfirmRequest]) -> Answer:
    """Confirm with a code from the app."""
    factor, backup_codes = call.services.enroll.confirm(
        call.caller.application, call.path["id"], call.body.code
    )
    view: dict[str, object] = {"factor": factor_view(factor)}
    if backup_codes is not None:
        view["backup_codes"] = backup_codes
    return Answer(view)
