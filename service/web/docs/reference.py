"""What the code says of itself, as Markdown: every setting, every metric, every error code."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from service.settings import Settings
from service.settings.limits import LimitSettings
from service.telemetry import metrics


def settings() -> str:
    """Every setting: name, default, meaning."""
    rows = []
    general_first = sorted(
        Settings.model_fields.items(), key=lambda item: item[0] in LimitSettings.model_fields
    )
    for _, field in general_first:
        if field.exclude:
            continue
        bounds = ", ".join(filter(None, (_bound(rule) for rule in field.metadata)))
        meaning = f"{field.description}{f' ({bounds})' if bounds else ''}"
        rows.append((f"`{field.validation_alias}`", _default(field.default), meaning))
    return _table(("setting", "default", "meaning"), rows)


def measured() -> str:
    """Every metric: name, kind, labels, meaning."""
    rows = []
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            described = next(iter(metric.describe()))
            name = f"{described.name}_total" if isinstance(metric, Counter) else described.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - no other way
            rows.append((f"`{name}`", described.type, labels, described.documentation))
    return _table(("metric", "kind", "labels", "meaning"), rows)


def error_codes(description: Mapping[str, Any]) -> str:
    """Every error code of the API: code, status, meaning."""
    examples = description["components"]["examples"].items()
    told = sorted((entry["value"]["status"], code, entry["summary"]) for code, entry in examples)
    return _table(
        ("code", "status", "meaning"), [(f"`{code}`", str(status), text) for status, code, text in told]
    )


def _default(value: object) -> str:
    if value is None or value is PydanticUndefined or isinstance(value, SecretStr):
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _bound(rule: object) -> str | None:
    for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most")):
        if (limit := getattr(rule, name, None)) is not None:
            return f"{words} {limit:g}"
    return None


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(head)
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
