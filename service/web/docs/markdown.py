"""Markdown as a page's HTML: anchors, a table of contents, highlighted code, diagrams; no script needed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from service.web.docs import sequence

_FORMAT = HtmlFormatter[str](nowrap=True)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading with its anchor. `level` is 2 or 3."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Article:
    """A text as HTML, its title, and what stands in it."""

    title: str
    html: str
    headings: Sequence[Heading]


def article(text: str, address: Callable[[str], str]) -> Article:
    """Render a text, whose first line is its title.

    Args:
        text: Markdown; HTML in it is shown, not obeyed.
        address: where a link of it leads, given what stands in the text.
    """
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    tokens = parser.parse(text)
    headings = _headings(tokens)
    _label_cells(tokens)
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", address(str(child.attrGet("href"))))
    html = parser.renderer.render(tokens, parser.options, {})
    title = next((h.text for h in headings if h.level == 1), "")
    return Article(title, html, [h for h in headings if h.level in (2, 3)])


def code_block(text: str, language: str, number: int) -> str:
    """Code with a button that copies it, which only a script shows."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    coloured = highlight(text, lexer, _FORMAT)
    return (
        f'<div class="code"><pre id="code-{number}" tabindex="0"><code>{coloured}</code></pre>'
        f'<button type="button" class="quiet copy" data-copy="#code-{number}" data-copied="Copied" hidden>'
        "Copy</button></div>\n"
    )


def anchor_of(text: str) -> str:
    """A heading's anchor, as GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def _headings(tokens: Sequence[Token]) -> list[Heading]:
    found: list[Heading] = []
    for token, inline in pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or ())
        anchor = anchor_of(text)
        used = sum(h.anchor == anchor or h.anchor.startswith(f"{anchor}-again") for h in found)
        anchor = f"{anchor}-again{used}" if used else anchor
        token.attrSet("id", anchor)
        found.append(Heading(int(token.tag[1]), anchor, text))
    return found


def _label_cells(tokens: Sequence[Token]) -> None:
    """Let cells of tables of three columns and more name their column: on a phone they stand in a column."""
    columns: list[str] = []
    index = 0
    for token, inline in pairwise(tokens):
        match token.type:
            case "table_open":
                columns = []
            case "th_open":
                columns.append(inline.content)
            case "tr_open":
                index = 0
            case "td_open":
                if index > 0 and len(columns) > 2:
                    token.attrSet("data-label", columns[index])
                index += 1


class _Renderer(RendererHTML):
    """Tables and code can be scrolled by keyboard; code is coloured; `sequence` is drawn."""

    def __init__(self, parser: object = None) -> None:
        super().__init__(parser)
        self._blocks = 0

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A block of code, or a diagram."""
        token = tokens[idx]
        language = (token.info.split() or ["text"])[0]
        self._blocks += 1
        if language == "sequence":
            return sequence.draw(token.content, f"diagram-{self._blocks}")
        return code_block(token.content, language, self._blocks)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A table, in what scrolls it on a phone."""
        return '<div class="scroll" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Its end."""
        return "</table></div>\n"


def inline(text: str) -> str:
    """One line of Markdown, such as a description in the code."""
    return str(MarkdownIt("commonmark", {"html": False}).renderInline(text))
