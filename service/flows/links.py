"""Links to pages: made by the application, opened once, by one browser.

A link is an id and a signature. The record of the id is in Redis, the signature is not, so reading Redis
makes no link. Opening gives the browser a cookie; from then on the cookie is what counts, and the address
that stays in the history is good for nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from service.domain.codes import RandomBytes, same_code
from service.domain.errors import FieldFault, InvalidInput, LinkExpired, LinkInvalid, LinkUsed
from service.domain.links import Link, LinkKind
from service.domain.return_urls import ReturnUrls
from service.store import keys
from service.store.links import LinkStore

ACCOUNT_OPEN = 900_000  # ms to open a link to the account page
ACCOUNT_VISIT = 1_800_000  # ms that the page may be used from the making of its link
AFTERWARDS = 900_000  # ms to save backup codes and go back, beyond what the page is for


@dataclass(frozen=True, slots=True)
class Opened:
    """A link and the browser's part of the secret: the cookie to set, or that it has."""

    link: Link
    cookie: str

    def __repr__(self) -> str:
        return f"Opened({self.link!r})"


class Links:
    """Makes and opens links."""

    def __init__(
        self,
        links: LinkStore,
        *,
        key: bytes,
        user_key: Callable[[str, str], str],
        return_urls: ReturnUrls,
        clock: Callable[[], int],
        random_bytes: RandomBytes,
    ) -> None:
        self._links = links
        self._key = key
        self._user_key = user_key
        self._return_urls = return_urls
        self._clock = clock
        self._random_bytes = random_bytes

    def require_allowed(self, return_url: str | None) -> None:
        """Refuse an address that is not on the allow-list.

        Raises:
            InvalidInput: it is not.
        """
        if return_url is not None and not self._return_urls.allow(return_url):
            raise InvalidInput(FieldFault("return_url", "not below an address in OTP_RETURN_URLS"))

    def issue(
        self,
        kind: LinkKind,
        application: str,
        user_id: str,
        *,
        target: str = "",
        ends_at: int | None = None,
        return_url: str | None = None,
        locale: str | None = None,
        within: Link | None = None,
    ) -> tuple[str, Link]:
        """Make a link.

        Args:
            kind: to which page.
            application: whose user it is for.
            user_id: whom it is for.
            target: the enrolment's or challenge's id.
            ends_at: when that ends (ms); unset for the account.
            return_url: where the page sends the user in the end.
            locale: a language, unset: the browser's.
            within: a visit that this one is a part of, and that its page leads back to.

        Returns:
            The path of its address, and what it is good for.

        Raises:
            InvalidInput: `return_url` is not allowed.
        """
        self.require_allowed(return_url)
        now, user_key = self._clock(), self._user_key(application, user_id)
        link = Link(
            id=keys.new_id("lk", user_key, self._random_bytes(16)),
            kind=kind,
            application=application,
            user_id=user_id,
            target=target,
            open_until=now + ACCOUNT_OPEN if ends_at is None else ends_at,
            until=now + ACCOUNT_VISIT if ends_at is None else ends_at + AFTERWARDS,
            return_url=page_of(within) if within else return_url,
            locale=locale,
        )
        self._links.put(link, user_key, now)
        return f"/{kind}/{link.id}.{self._signature(kind, link.id)}", link

    def open(self, kind: LinkKind, token: str, cookie: str | None) -> Opened:
        """Open a link, in the browser that has this cookie or none.

        Raises:
            LinkInvalid: it was not made here, or for another page.
            LinkExpired: it is too late.
            LinkUsed: another browser was faster.
        """
        link_id, _, signature = token.partition(".")
        if not keys.is_id(link_id, "lk") or not same_code(signature, self._signature(kind, link_id)):
            raise LinkInvalid("This link was not made here.")
        link, opened_by = self._links.get(link_id)
        now = self._clock()
        if link is None or now >= link.until:
            raise LinkExpired("This link has expired.")
        if opened_by is None:
            if now >= link.open_until:
                raise LinkExpired("This link has expired.")
            fresh = self._random_bytes(16).hex()
            if self._links.open(link, self._mark(link_id, fresh), now):
                return Opened(link, fresh)
            _, opened_by = self._links.get(link_id)
        if cookie is None or not same_code(self._mark(link_id, cookie), opened_by or ""):
            raise LinkUsed("This link was opened before.")
        return Opened(link, cookie)

    def visit(self, kind: LinkKind, link_id: str, cookie: str | None) -> Opened:
        """The link that this browser opened.

        Raises:
            LinkInvalid: it did not.
            LinkExpired: the visit is over.
        """
        if cookie is None:
            raise LinkInvalid("This browser did not open the link.")
        link, opened_by = self._links.get(link_id)
        if link is None or self._clock() >= link.until:
            raise LinkExpired("This visit is over.")
        if link.kind is not kind or not same_code(self._mark(link_id, cookie), opened_by or ""):
            raise LinkInvalid("This browser did not open the link.")
        return Opened(link, cookie)

    def close(self, link: Link) -> None:
        """End a visit: nobody gets in by it any more."""
        self._links.delete(link)

    def form_token(self, opened: Opened) -> str:
        """What a page's forms carry, so that no other site can send them."""
        return keys.keyed_hash(self._key, "form", opened.link.id, opened.cookie)

    def _signature(self, kind: LinkKind, link_id: str) -> str:
        return keys.keyed_hash(self._key, "link", kind, link_id)

    def _mark(self, link_id: str, cookie: str) -> str:
        return keys.keyed_hash(self._key, "visit", link_id, cookie)


def page_of(link: Link) -> str:
    """The path of the page that a link leads to, once it was opened."""
    return f"/{link.kind}/s/{link.id}"
