"""Catalogues: complete, true to the code, and used."""

import re
from gettext import c2py

import pytest
from babel.messages.pofile import read_po

from service import i18n
from service.domain import notices
from service.domain.challenge import Challenge, Entry, Switch
from service.domain.channels import Channel
from service.domain.failures import Reason
from service.messages import catalogue_file, extract, rendered

TRANSLATED = [locale for locale in i18n.LOCALES if locale != i18n.DEFAULT]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def catalogue(locale: str):
    with catalogue_file(locale).open("rb") as file:
        return read_po(file, locale=locale)


@pytest.mark.parametrize("locale", TRANSLATED)
def test_a_catalogue_has_just_the_sentences_of_the_code(locale):
    wanted = {message.id for message in extract() if message.id}
    assert len(wanted) > 20
    assert {message.id for message in catalogue(locale) if message.id} == wanted, "run: make messages"


@pytest.mark.parametrize("locale", TRANSLATED)
def test_every_sentence_is_translated_and_keeps_its_placeholders(locale):
    found = catalogue(locale)
    for message in found:
        if not message.id:
            continue
        sources = message.id if message.pluralizable else (message.id,)
        texts = message.string if message.pluralizable else (message.string,)
        assert not message.fuzzy, message.id
        assert len(texts) == (found.num_plurals if message.pluralizable else 1), message.id
        for text in texts:
            assert text, message.id
            assert text not in sources, f"{locale}: left in English"
            assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(sources[0])), message.id


@pytest.mark.parametrize("locale", TRANSLATED)
def test_writing_a_catalogue_again_changes_nothing(locale):
    assert rendered(catalogue(locale)) == catalogue_file(locale).read_bytes(), "run: make messages"


@pytest.mark.parametrize("locale", TRANSLATED)
def test_plural_forms_are_those_of_the_language(locale):
    one, many = "It works once, for %(count)d minute.", "It works once, for %(count)d minutes."
    found = catalogue(locale)
    form = c2py(found.plural_expr)
    texts = found.get(one).string
    for count in (0, 1, 2, 3, 5, 10, 11, 100):
        assert i18n.translate_count(locale, one, many, count) == texts[form(count)] % {"count": count}
    assert i18n.translate_count("en", one, many, 1) == "It works once, for 1 minute."
    assert i18n.translate_count("en", one, many, 2) == "It works once, for 2 minutes."


def challenge(switches, status="pending"):
    entries = tuple(Entry(c) for c in Channel)
    return Challenge(
        id="ch_x",
        application="default",
        user="u",
        sealed="",
        status=status,
        channel=switches[-1].to if switches else None,
        entries=entries,
        switches=tuple(switches),
        created_at=0,
        expires_at=1,
        max_attempts=5,
    )


@pytest.mark.parametrize("locale", i18n.LOCALES)
def test_every_notice_is_said_in_the_language(locale):
    seen = set()
    for source in (Channel.SMS, Channel.VOICE, Channel.WHATSAPP, Channel.EMAIL):
        for reason in Reason:
            if not reason.moves_on:
                continue
            for to in Channel:
                notice = notices.notice_for(challenge([Switch(source, to, reason, 0)]))
                assert notice is not None
                text = i18n.join(locale, notice.sentences)
                assert text.count("%") == 0
                english = i18n.join("en", notice.sentences)
                assert (text == english) is (locale == "en"), english
                seen.add(notice.code)
    assert {"sms_unavailable", "voice_unavailable", "email_undeliverable", "sms_not_delivered"} <= seen
    assert notices.notice_for(challenge([], status="failed")).code == "no_channel"
    assert notices.notice_for(challenge([])) is None


@pytest.mark.parametrize(
    ("wanted", "locale"),
    [
        (["de-AT"], "de"),
        (["pt-BR"], "pt"),
        (["pt_PT"], "pt"),
        (["ja-JP", "de"], "ja"),
        (["zh", "fr-CA", "de"], "fr"),
        (["zh"], "en"),
        (["ar-EG"], "ar"),
        ([], "en"),
        (["x"], "en"),
        (["../../etc", "es"], "es"),
        (["EN-us", "de"], "en"),
        (["DE"], "de"),
    ],
)
def test_negotiation(wanted, locale):
    assert i18n.negotiate(wanted) == locale


@pytest.mark.parametrize("text", ["", "e", "en--us", "en;q=1", "en us", "a" * 40, "en\n"])
def test_what_is_no_language_tag(text):
    assert not i18n.is_tag(text)
