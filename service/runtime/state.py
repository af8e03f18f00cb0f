"""What `serve` looks at before it starts anything on a store: its schema, and what it promises to keep."""

from service.domain.errors import SchemaUnknown, StoreUnavailable
from service.runtime.errors import StateRefused
from service.settings import Settings
from service.store.durability import doubt
from service.store.migrations import CURRENT
from service.store.redis import connect
from service.store.schema import Schema
from service.telemetry import logs

_log = logs.get("serve")


def look_at_state(settings: Settings) -> bool:
    """Whether the state has to be brought up first; says so, and what of `OTP_DURABILITY` can't be kept.

    Args:
        settings: with nothing left unset that `serve` fills in.

    Raises:
        StateRefused: it is of a newer version, or can't be read.

    """
    assert settings.redis_url is not None  # noqa: S101 - filled in
    strict = settings.durability == "strict"
    store = connect(settings.redis_url.get_secret_value(), strict=strict)
    try:
        schema = Schema(store).read()
    except SchemaUnknown as error:
        raise StateRefused(error.detail) from None
    except StoreUnavailable as error:
        raise StateRefused(f"Redis answers, and can't serve: {error.detail}") from None
    doubted = doubt(store, strict=strict)
    if doubted is not None:
        _log.warning("durability_in_doubt", reason=doubted)
    older = schema is not None and schema < CURRENT
    if older:
        _log.info("upgrading_state", source=schema, to=CURRENT)
    return older
