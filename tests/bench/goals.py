"""The design's goals, what was measured beside them, and the table of both."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: what was done.
        what: what was measured of it.
        value: the measured one.
        unit: of it and the goal.
        least: the goal, where more is better.
        most: the goal, where less is better; with neither, a figure that nobody set a goal for.
        more: what else to know of it.

    """

    work: str
    what: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    more: str = ""

    @property
    def missed(self) -> bool:
        """Whether there is a goal and it was not reached."""
        too_little = self.least is not None and self.value < self.least
        return too_little or (self.most is not None and self.value > self.most)

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.least is not None:
            return f">= {_number(self.least)} {self.unit}".rstrip()
        return f"<= {_number(self.most)} {self.unit}".rstrip() if self.most is not None else "-"

    @property
    def mark(self) -> str:
        """Met, missed, or nothing to say."""
        if self.least is None and self.most is None:
            return ""
        return "missed" if self.missed else "met"


def report(rows: Sequence[Row], **facts: Any) -> dict[str, Any]:
    """Everything, for programs."""
    listed = [{**asdict(row), "missed": row.missed} for row in rows]
    return {**facts, "rows": listed, "missed": [f"{row.work}: {row.what}" for row in rows if row.missed]}


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Everything, for people; each miss is named below."""
    table = Table("work", "measured", "value", "goal", "", "more")
    for row in rows:
        style = "red" if row.missed else "green"
        value = f"{_number(row.value)} {row.unit}".rstrip()
        table.add_row(row.work, row.what, value, row.goal, f"[{style}]{row.mark}[/{style}]", row.more)
    console.print(table)
    for row in filter(lambda row: row.missed, rows):
        console.print(f"[red]missed:[/red] {row.work}: {row.what} is {_number(row.value)}, not {row.goal}")


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
