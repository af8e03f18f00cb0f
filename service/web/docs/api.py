"""The API's reference, from its description: what templates need, references resolved."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.web.docs.markdown import code_block, inline

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of an operation, or a field of a body."""

    name: str
    kind: str
    required: bool
    text: str


class Reference:
    """Reads the description of one API."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        """Read nothing yet."""
        self._all = description
        self._blocks = 0

    def tags(self) -> list[dict[str, str]]:
        """What operations are grouped by."""
        return [dict(tag) for tag in self._all["tags"]]

    def operations(self, tag: str) -> list[dict[str, Any]]:
        """The operations of a tag, as the template shows them."""
        whole = {**self._all["paths"], **(self._all["webhooks"] if tag == "webhooks" else {})}
        return [
            self._operation(method.upper(), path, operation)
            for path, item in whole.items()
            for method, operation in item.items()
            if tag in operation["tags"]
        ]

    def _operation(self, method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
        body = operation.get("requestBody")
        media: Mapping[str, Any] = next(iter(body["content"].values())) if body else {}
        return {
            "name": operation["operationId"],
            "method": method if path.startswith("/") else "",
            "path": path,
            "called": f"{method} {path}" if path.startswith("/") else path,
            "summary": operation["summary"],
            "description": inline(operation["description"]),
            "parameters": [self._parameter(p) for p in self._parameters(operation, path)],
            "fields": self._fields(media["schema"]) if media else [],
            "examples": self._examples(media),
            "answers": [
                self._answer(status, self._resolved(answer))
                for status, answer in operation["responses"].items()
            ],
        }

    def _parameters(self, operation: Schema, path: str) -> list[Schema]:
        """An operation's parameters; the headers of webhooks' messages are told once, in the tag's words."""
        return [self._resolved(p) for p in operation.get("parameters", ())] if path.startswith("/") else []

    def _parameter(self, parameter: Schema) -> Field:
        text = f"In the {parameter['in']}. {parameter.get('description', '')}"
        return Field(
            parameter["name"], self._kind(parameter["schema"]), bool(parameter.get("required")), inline(text)
        )

    def _answer(self, status: str, answer: Schema) -> dict[str, Any]:
        content: Schema = answer.get("content", {})
        kind, media = next(iter(content.items()), ("", dict[str, Any]()))
        is_problem = "problem" in kind
        return {
            "status": status,
            "text": answer["description"],
            "kind": kind,
            "codes": list(media.get("examples", ())) if is_problem else [],
            "fields": [] if is_problem or not media else self._fields(media["schema"]),
            "examples": [] if is_problem else self._examples(media),
        }

    def _examples(self, media: Schema) -> list[dict[str, str]]:
        given = {name: self._resolved(entry)["value"] for name, entry in media.get("examples", {}).items()}
        if "example" in media:
            given["example"] = media["example"]
        shown = []
        for name, value in given.items():
            self._blocks += 1
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            # Not coloured: this page is long enough for those who have it read to them.
            shown.append({"name": name.replace("_", " "), "html": code_block(text, "text", self._blocks)})
        return shown

    def _fields(self, schema: Schema, prefix: str = "", depth: int = 0) -> list[Field]:
        """The fields of an object, those of objects in it below it with dotted names."""
        schema = self._object_in(schema)
        if schema.get("type") == "array":
            return self._fields(schema["items"], f"{prefix}[].", depth)
        found = []
        for name, of in schema.get("properties", {}).items():
            text = of.get("description") or self._object_in(of).get("description", "")
            required = name in schema.get("required", ())
            found.append(Field(prefix + name, self._kind(of), required, inline(_first(text))))
            inner = self._object_in(of)
            many = inner.get("type") == "array"
            inner = self._object_in(inner["items"]) if many else inner
            if inner.get("properties") and depth < 3:
                found += self._fields(inner, f"{prefix}{name}{'[]' if many else ''}.", depth + 1)
        return found

    def _object_in(self, schema: Schema) -> Schema:
        """What a schema is when it is not null."""
        schema = self._resolved(schema)
        for option in schema.get("anyOf", ()):
            if option.get("type") != "null":
                return {**self._object_in(option), **{k: v for k, v in schema.items() if k == "description"}}
        return schema

    def _kind(self, schema: Schema) -> str:
        schema = self._resolved(schema)
        if "anyOf" in schema:
            return " or ".join(self._kind(option) for option in schema["anyOf"])
        if "const" in schema:
            return f'"{schema["const"]}"'
        if "enum" in schema:
            return " | ".join(f'"{value}"' for value in schema["enum"])
        if schema.get("type") == "array":
            return f"list of {self._kind(schema['items'])}"
        return " ".join(filter(None, (schema.get("type", "anything"), _bounds(schema))))

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._all
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema


def _first(text: str) -> str:
    return " ".join(text.split())


def _bounds(schema: Schema) -> str:
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if schema.get("format"):
        return f"({schema['format']})"
    if low is None and high is None:
        return ""
    words = f"{low} to {high}" if low is not None and high is not None else f"at least {low}"
    if low is None:
        words = f"at most {high}"
    return f"({words}{' characters' if schema.get('type') == 'string' else ''})"
