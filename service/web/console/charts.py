"""Charts as the templates draw them: SVG in a box of 600 by 120, without a script."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 600.0, 120.0
GAP = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    """One column: its parts from below, each with a colour's class."""

    x: float
    width: float
    label: str
    parts: Sequence[tuple[float, float, str]]  # y, height, class


@dataclass(frozen=True, slots=True)
class Line:
    """A line in pieces: where nothing is known, it is broken."""

    colour: str
    pieces: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `top` is what its upper edge stands for; `legend` has classes and names."""

    title: str
    summary: str
    top: str
    legend: Sequence[tuple[str, str]]
    bars: Sequence[Bar] = field(default_factory=tuple)
    lines: Sequence[Line] = field(default_factory=tuple)


def stacked(
    title: str, names: Mapping[str, str], columns: Sequence[Mapping[str, float]], labels: Sequence[str]
) -> Chart:
    """Bars of counts on top of each other.

    Args:
        title: of the chart.
        names: of the counts, by class of their colour, from below.
        columns: counts by class.
        labels: of the columns.
    """
    highest = max([sum(column.values()) for column in columns] or [0]) or 1
    step = WIDTH / max(1, len(columns))
    bars = []
    for index, (column, label) in enumerate(zip(columns, labels, strict=True)):
        parts, y = [], HEIGHT
        for colour in names:
            if count := column.get(colour, 0):
                height = HEIGHT * count / highest
                y -= height
                parts.append((round(y, 1), round(height, 1), colour))
        told = ", ".join(f"{names[c]} {column[c]:g}" for c in names if column.get(c))
        bars.append(Bar(round(index * step, 1), round(step - GAP, 1), f"{label}: {told or 'nothing'}", parts))
    sums = {name: sum(column.get(colour, 0) for column in columns) for colour, name in names.items()}
    summary = ", ".join(f"{name} {count:g}" for name, count in sums.items() if count) or "nothing happened"
    return Chart(title, summary, f"{highest:g}", list(names.items()), bars=bars)


def lined(
    title: str,
    names: Mapping[str, str],
    series: Mapping[str, Sequence[float | None]],
    *,
    unit: Callable[[float], str],
    top: float | None = None,
) -> Chart:
    """Lines.

    Args:
        title: of the chart.
        names: of the lines, by class of their colour.
        series: values by class, all of one length; `None` where nothing is known.
        unit: how a value is written.
        top: what the upper edge stands for; unset: a little above the highest value.
    """
    known = [value for values in series.values() for value in values if value is not None]
    highest = top if top is not None else max(known, default=0) * 1.1 or 1
    lines = [Line(colour, _pieces(values, highest)) for colour, values in series.items()]
    newest = {c: next((v for v in reversed(values) if v is not None), None) for c, values in series.items()}
    told = [f"{names[c]} {unit(value)}" for c, value in newest.items() if value is not None]
    return Chart(
        title, ", ".join(told) or "nothing happened", unit(highest), list(names.items()), lines=lines
    )


def _pieces(values: Sequence[float | None], highest: float) -> list[str]:
    step = WIDTH / max(1, len(values))
    pieces: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            pieces.append([])
            continue
        y = HEIGHT - HEIGHT * min(value, highest) / highest
        pieces[-1].append(f"{(index + 0.5) * step:.1f},{y:.1f}")
    # A single point is drawn as a dash, else it would not be seen.
    return [
        " ".join(piece if len(piece) > 1 else [*piece, *(_beside(point) for point in piece)])
        for piece in pieces
        if piece
    ]


def _beside(point: str) -> str:
    x, _, y = point.partition(",")
    return f"{float(x) + 3:.1f},{y}"
