"""`python -m service.messages`: bring the catalogues in `service/locale/` up to the code's sentences.

A tool of the source tree (`make messages`); the service itself never runs it. Babel's own command line
would write dates into the files, so that every run changed them.
"""

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from service.i18n import DEFAULT, LOCALES

SOURCE = Path(__file__).parent
KEYWORDS = {"N_": None, "translate": (2,), "translate_count": (2, 3), "_": None, "ngettext": (1, 2)}
# Headers that change with every run or say nothing.
_NEEDLESS = tuple(
    f'"{name}'
    for name in (
        "POT-Creation-Date",
        "PO-Revision-Date",
        "Last-Translator",
        "Language-Team",
        "Generated-By",
        "Report-Msgid-Bugs-To",
    )
)
METHODS = [("**.py", "python"), ("**.html", "jinja2"), ("**.txt", "jinja2")]


def extract() -> Catalog:
    """Every sentence of the code and its templates."""
    found = Catalog(project="otp-fallback", copyright_holder="the otp-fallback authors")
    for _file, _line, message, _comments, _context in extract_from_dir(
        SOURCE, METHODS, keywords=KEYWORDS, comment_tags=()
    ):
        found.add(message)
    return found


def catalogue_file(locale: str) -> Path:
    """Where a language's sentences are."""
    return SOURCE / "locale" / locale / "LC_MESSAGES" / "messages.po"


def rendered(catalogue: Catalog) -> bytes:
    """A catalogue as a file, the same for the same sentences."""
    out = BytesIO()
    write_po(out, catalogue, no_location=True, sort_output=True, ignore_obsolete=True, width=100)
    lines = out.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_NEEDLESS)).encode()


def main() -> None:
    """Write every catalogue; what is new stands there untranslated."""
    found = extract()
    for locale in LOCALES:
        if locale == DEFAULT:
            continue
        path = catalogue_file(locale)
        known = Catalog(locale=locale)
        if path.exists():
            with path.open("rb") as file:
                known = read_po(file, locale=locale)
        known.header_comment = f"# {known.locale.english_name if known.locale else locale} for otp-fallback."
        known.fuzzy, known.project, known.version = False, "otp-fallback", "1"
        known.update(found, no_fuzzy_matching=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rendered(known))


if __name__ == "__main__":
    main()
