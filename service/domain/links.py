"""Links to pages: what each is good for."""

from enum import StrEnum

from msgspec import Struct


class LinkKind(StrEnum):
    """Which page; the first part of the link's path."""

    ENROLL = "enroll"
    CHALLENGE = "c"
    ACCOUNT = "account"


class Link(Struct, frozen=True, kw_only=True):
    """A link to one page for one user. Times in ms.

    Attributes:
        target: the enrolment's or challenge's id; empty for the account.
        open_until: when it can't be opened any more.
        until: when a visit that it began is over.
        return_url: an allowed address, if the application gave one.
        locale: a language chosen by the application; unset: the browser's.

    """

    id: str
    kind: LinkKind
    application: str
    user_id: str
    target: str = ""
    open_until: int
    until: int
    return_url: str | None = None
    locale: str | None = None

    def __repr__(self) -> str:
        return f"Link({self.kind} {self.id})"
