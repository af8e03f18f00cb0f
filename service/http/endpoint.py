"""How an endpoint is declared: once, for routing, validation, authorisation and the API's description.

@endpoint(api, "POST", "/v1/things", scope=Scope.OPS, body=ThingRequest, answers={201: ThingView})
def make(call: Call[ThingRequest]) -> Answer: ...
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from flask import Blueprint, Request, Response, current_app, g, request
from pydantic import BaseModel, TypeAdapter, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from service.app import Services
from service.domain.api_keys import ApiKey, Scope
from service.domain.audit import Who
from service.domain.errors import FieldFault, InvalidInput, MalformedBody, ScopeMissing, Unauthenticated
from service.edge import client_address
from service.http import idempotency
from service.http.problems import as_domain_error
from service.http.schemas.common import UserId

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

B = TypeVar("B", bound=BaseModel)
_USER_ID = TypeAdapter(UserId)
_JSON = "application/json"
ENTRY_ID = r"^(?!0+-0+$)[0-9]{1,16}-[0-9]{1,16}$"


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """One authorised, valid request."""

    services: Services
    caller: ApiKey
    body: B
    path: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: a body as JSON, or none."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """An endpoint as the API's description needs it; `summary` and `description` are its docstring."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    scope: Scope | None
    body: type[BaseModel] | None
    answers: Mapping[int, type[BaseModel] | None]
    errors: tuple[str, ...]
    query: Mapping[str, Mapping[str, object]]
    stream: bool = False


OPERATIONS: list[Operation] = []


def endpoint(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    scope: Scope,
    answers: Mapping[int, type[BaseModel] | None],
    body: type[BaseModel] | None = None,
    errors: tuple[str, ...] = (),
    query: Mapping[str, Mapping[str, object]] | None = None,
    stream: bool = False,
) -> Callable[[Callable[[Call[Any]], Answer | Response]], Callable[..., Response]]:
    """Declare an endpoint.

    Args:
        blueprint: where it is registered.
        method: `GET`, `POST`, ...
        path: with `{name}` for variables.
        scope: what the API key must be good for.
        answers: the answers' models by status; `None` for an empty one.
        body: the request's model, for methods that have a body.
        errors: codes of its own errors (`service/http/codes.py`); those of all endpoints need not be named.
        query: parameters of the query, as OpenAPI schemas.
        stream: the answer is a stream of server-sent events.
    """

    def declare(handler: Callable[[Call[Any]], Answer | Response]) -> Callable[..., Response]:
        summary, _, more = inspect.cleandoc(handler.__doc__ or "").partition("\n")
        OPERATIONS.append(
            Operation(
                method=method,
                path=path,
                name=handler.__name__,
                summary=summary.rstrip("."),
                description=" ".join(more.split()),
                scope=scope,
                body=body,
                answers=answers,
                errors=errors,
                query=query or {},
                stream=stream,
            )
        )

        @wraps(handler)
        def view(**path_values: str) -> Response:
            services: Services = current_app.extensions["otp"]
            asked = _request()
            caller = _authenticate(services, asked, scope, change=method != "GET")
            if "user_id" in path_values:
                path_values["user_id"] = _user_id(path_values["user_id"])
            raw = asked.get_data(cache=True)  # bounded by MAX_CONTENT_LENGTH
            if asked.content_length is None and len(raw) >= (asked.max_content_length or len(raw) + 1):
                raise RequestEntityTooLarge  # chunked, and cut off at the bound

            def answer() -> Response:
                parsed = _parse(body, asked, raw) if body is not None else None
                return _render(handler(Call(services, caller, parsed, path_values)))

            if method != "POST":
                return answer()
            return idempotency.once(services, caller, asked, raw, answer)

        # A user id may hold anything, slashes too.
        rule = re.sub(r"\{(\w+)\}", lambda m: f"<{'path:' * (m[1] == 'user_id')}{m[1]}>", path)
        blueprint.add_url_rule(
            rule, handler.__name__, view, methods=[method], provide_automatic_options=False
        )
        return view

    return declare


def who(call: Call[Any]) -> Who:
    """Who calls, for the audit trail."""
    return Who(call.caller.id, client_address(call.services.core.settings))


def whole_number(name: str, default: int, low: int, high: int) -> int:
    """A parameter of the query.

    Raises:
        InvalidInput: it is no number between `low` and `high`.
    """
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise InvalidInput(FieldFault(name, f"expected a whole number, {low} to {high}"))
    return int(text)


def entry_before(expected: str) -> str | None:
    """The parameter `before` of the query: the id of a stream's entry; `None`: there is none.

    Raises:
        InvalidInput: it is no such id; none is 0-0, which Redis would not look before.
    """
    before = request.args.get("before")
    if before is not None and not re.fullmatch(ENTRY_ID, before):
        raise InvalidInput(FieldFault("before", f"expected {expected}"))
    return before


def _request() -> Request:
    """The request itself: what Flask calls `request` looks for it anew at each use."""
    itself: Request = request.environ["werkzeug.request"]
    return itself


def presented_key(asked: Request) -> str:
    """The API key that came with a request, known or not. Raises `Unauthenticated` when none did."""
    authorization: str = asked.environ.get("HTTP_AUTHORIZATION", "")
    kind, _, presented = authorization.partition(" ")
    presented = presented.strip()
    if kind.lower() != "bearer" or not presented or len(presented) > 512:
        raise Unauthenticated("Send an API key: 'Authorization: Bearer <key>'.")
    return presented


def _authenticate(services: Services, asked: Request, scope: Scope, *, change: bool) -> ApiKey:
    caller = services.api_keys.find(presented_key(asked))
    if caller is None:
        raise Unauthenticated("This API key is unknown or was revoked.")
    g.key_id = caller.id
    if not caller.may(scope, change=change):
        raise ScopeMissing(f"This API key lacks the scope {scope}.")
    return caller


def _parse(model: type[BaseModel], asked: Request, raw: bytes) -> BaseModel:
    told = asked.environ.get("CONTENT_TYPE")  # mostly the one word, which need not be parsed
    if raw and told != _JSON and asked.mimetype not in (_JSON, ""):
        raise MalformedBody(f"Send the body as {_JSON}.")
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise as_domain_error(error) from None


def _user_id(text: str) -> str:
    try:
        return _USER_ID.validate_python(text)
    except ValidationError as error:
        fault = as_domain_error(error)
        if isinstance(fault, InvalidInput):
            fault = InvalidInput(*(type(f)("user_id", f.message) for f in fault.faults))
        raise fault from None


def _render(answer: Answer | Response) -> Response:
    if isinstance(answer, Response):
        return answer
    if answer.body is None:
        return Response(status=answer.status, headers=dict(answer.headers))
    payload = msgspec.json.encode(answer.body)
    return _Whole(payload, answer.status, [*answer.headers.items(), ("Content-Type", _JSON)])


class _Whole(Response):
    """A body and all its headers. A `Location` in it is a path of ours: no text in need of escapes."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Send it as it is: to look for what may lack, and take the address apart, takes as long again."""
        start_response(self.status, self.headers.to_wsgi_list())
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.iter_encoded()
