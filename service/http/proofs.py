"""`/v1/proofs`."""

from typing import Any

from flask import Blueprint

from service.domain.api_keys import Scope
from service.http.endpoint import Answer, Call, endpoint
from service.http.schemas.challenges import IntrospectionView, IntrospectRequest
from service.http.views import time_view

api = Blueprint("proofs", __name__)


@endpoint(
    api,
    "POST",
    "/v1/proofs/introspect",
    scope=Scope.CHALLENGES,
    body=IntrospectRequest,
    answers={200: IntrospectionView},
)
def introspect_proof(call: Call[IntrospectRequest]) -> Answer:
    """Ask whether a proof is good. One that is not, for whatever reason, is an answer, not an error."""
    claims = call.services.proofs.introspect(
        call.caller.application, call.body.proof, use_once=call.body.use_once
    )
    return Answer({"active": False} if claims is None else _view(claims))


def _view(claims: dict[str, Any]) -> dict[str, Any]:
    return {
        "active": True,
        "challenge_id": claims["jti"],
        "user_id": claims["sub"],
        "application": claims["aud"],
        "channel": claims["channel"],
        "amr": claims["amr"],
        "assurance": claims["acr"],
        "issued_at": time_view(claims["iat"] * 1000),
        "expires_at": time_view(claims["exp"] * 1000),
    }
