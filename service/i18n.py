"""Languages: which one a caller gets, and its sentences (gettext catalogues, read by Babel)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from io import BytesIO

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

DEFAULT = "en"
LOCALES = ("en", "ar", "de", "es", "fr", "ja", "pt")
_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_UNSPACED = {"ja"}  # sentences follow each other without a blank


def is_tag(text: str) -> bool:
    """Whether a text has the form of a language tag (BCP 47), known here or not."""
    return _TAG.fullmatch(text) is not None


def negotiate(wanted: Iterable[str]) -> str:
    """The best language that we have for what a caller prefers, best first."""
    tags = [tag.lower().replace("-", "_") for tag in wanted if is_tag(tag)]
    candidates = [candidate for tag in tags for candidate in (tag, tag.split("_")[0])]
    return negotiate_locale(candidates, LOCALES, sep="_") or DEFAULT


@cache
def catalogue(locale: str) -> NullTranslations:
    """The sentences of a language; English is what stands in the code."""
    if locale == DEFAULT:
        return NullTranslations()
    source = files("service").joinpath("locale", locale, "LC_MESSAGES", "messages.po")
    compiled = BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=Locale.parse(locale)))
    compiled.seek(0)
    return Translations(compiled)


def translate(locale: str, text: str, **values: object) -> str:
    """One sentence, with `%(name)s` filled in."""
    sentence = catalogue(locale).gettext(text)
    return sentence % values if values else sentence


def translate_count(locale: str, one: str, many: str, count: int) -> str:
    """One sentence about `%(count)d` things."""
    return catalogue(locale).ngettext(one, many, count) % {"count": count}


def join(locale: str, sentences: Iterable[str]) -> str:
    """Sentences, translated, as one text."""
    return ("" if locale in _UNSPACED else " ").join(translate(locale, text) for text in sentences)


def moment(at: int, locale: str) -> str:
    """A time in ms as a person reads it, with its time zone."""
    return format_datetime(datetime.fromtimestamp(at / 1000, UTC), "long", locale=locale)


def day(at: int, locale: str) -> str:
    """The date of a time in ms."""
    return format_date(datetime.fromtimestamp(at / 1000, UTC), "medium", locale=locale)
