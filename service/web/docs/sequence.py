"""Sequence diagrams as SVG, drawn from lines such as `Browser -> Shop: password`; `Note: …` spans them all.

A reader that shows no pictures is given the same lines as a list.
"""

import re
from html import escape

LANE = 168  # units between two lifelines
STEP = 52  # units between two lines
TOP = 44
_LINE = re.compile(r"(?P<source>[^:]+?) (?P<arrow>-->|->) (?P<target>[^:]+?): (?P<text>.+)")


def draw(text: str, name: str) -> str:
    """A diagram.

    Args:
        text: its lines; `->` asks, `-->` answers.
        name: an id that no other diagram of the page has.

    Raises:
        ValueError: a line is neither a message nor a note.
    """
    steps = [_parsed(line) for line in text.splitlines() if line.strip()]
    actors = list(dict.fromkeys(actor for source, target, *_ in steps for actor in (source, target) if actor))
    width, height = LANE * len(actors), TOP + STEP * len(steps) + 24
    at = {actor: LANE * index + LANE // 2 for index, actor in enumerate(actors)}
    drawn = [_lifeline(actor, at[actor], height) for actor in actors]
    for index, (source, target, arrow, words) in enumerate(steps):
        y = TOP + STEP * index + 40
        drawn.append(
            _note(words, width, y) if not source else _message(at[source], at[target], y, arrow, words)
        )
    told = "".join(f"<li>{escape(_sentence(*step))}</li>" for step in steps)
    return (
        f'<figure class="diagram"><div class="scroll" tabindex="0">'
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">'
        f"{''.join(drawn)}</svg></div>"
        f'<details><summary>As a list</summary><ol id="{name}">{told}</ol></details></figure>\n'
    )


def _parsed(line: str) -> tuple[str, str, str, str]:
    if line.startswith("Note:"):
        return "", "", "", line.removeprefix("Note:").strip()
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise ValueError(f"neither a message nor a note: {line}")
    return found["source"].strip(), found["target"].strip(), found["arrow"], found["text"].strip()


def _sentence(source: str, target: str, arrow: str, words: str) -> str:
    if not source:
        return words
    return f"{source} {'answers' if arrow == '-->' else 'to'} {target}: {words}"


def _lifeline(actor: str, x: int, height: int) -> str:
    return (
        f'<line class="life" x1="{x}" y1="34" x2="{x}" y2="{height}"/>'
        f'<rect class="actor" x="{x - 64}" y="4" width="128" height="30" rx="6"/>'
        f'<text x="{x}" y="24" text-anchor="middle">{escape(actor)}</text>'
    )


def _message(start: int, end: int, y: int, arrow: str, words: str) -> str:
    answer = " answer" if arrow == "-->" else ""
    if start == end:
        return (
            f'<path class="wire{answer}" d="M{start} {y - 6} h26 v14 h-20"/>'
            f'<path class="head" d="M{start + 2} {y + 8} l9 -5 v10 z"/>'
            f'<text class="said" x="{start + 10}" y="{y - 12}">{escape(words)}</text>'
        )
    towards = 1 if end > start else -1
    line = f'<line class="wire{answer}" x1="{start}" y1="{y}" x2="{end - 3 * towards}" y2="{y}"/>'
    head = f'<path class="head" d="M{end} {y} l{-9 * towards} -5 v10 z"/>'
    said = (
        f'<text class="said" x="{(start + end) // 2}" y="{y - 7}" text-anchor="middle">{escape(words)}</text>'
    )
    return line + head + said


def _note(words: str, width: int, y: int) -> str:
    return (
        f'<rect class="aside-note" x="8" y="{y - 22}" width="{width - 16}" height="30" rx="4"/>'
        f'<text x="{width // 2}" y="{y - 2}" text-anchor="middle">{escape(words)}</text>'
    )
