"""Files that describe experiments: read, validated against a schema, every mistake named by its path.

Nothing in a file is ever evaluated as code.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

# Of a table with no more keys than these, all are listed where a key is none of them.
FEW_KEYS = 8

AnySection = TypeVar("AnySection", bound="Section")


class Section(BaseModel):
    """A table of an experiment file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ExperimentError(ValueError):
    """An experiment file is wrong; the message names the file and each key."""


def read_toml(path: str | Path) -> dict[str, Any]:
    """Content of a TOML file.

    Raises
    ------
    ExperimentError
        If the file is missing or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ExperimentError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{path} is no TOML file: {error}") from error


def validated(table: type[AnySection], content: dict[str, Any], name: str | Path) -> AnySection:
    """An instance of a table from the content of a file.

    Raises
    ------
    ExperimentError
        If the content does not fit; the message begins with the name and has the path of every mistake.
    """
    try:
        return table.model_validate(content)
    except ValidationError as error:
        raise ExperimentError(f"{name}: {describe(error, content, table)}") from error


def describe(error: ValidationError, content: object, table: type[Section]) -> str:
    """All mistakes of a validation in one line, each with the path of its key in the content."""
    return "; ".join(_describe_one(item, content, table) for item in error.errors())


def _describe_one(item: Any, content: object, table: type[Section]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    parts = _parts(item["loc"], content, missing=kind == "missing")
    path = ".".join(map(str, parts))
    message = item["msg"].removeprefix("Value error, ")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        message = "there is no such key" + _hint(parts, content, table)
    elif kind == "missing":
        message = "this key is missing"
    elif kind == "union_tag_not_found":
        message = "the key 'kind' is missing"
    elif kind == "union_tag_invalid":
        message = f"there is no kind {context['tag']!r}; there are {context['expected_tags']}"
    else:
        message = message[:1].lower() + message[1:]
    return f"{path}: {message}" if path else message


def _parts(location: tuple[str | int, ...], content: object, missing: bool) -> list[str | int]:
    """Location of a mistake without the names that pydantic adds for the members of unions."""
    parts: list[str | int] = []
    for position, part in enumerate(location):
        if (isinstance(content, dict) and part in content) or (
            isinstance(content, (list, tuple)) and isinstance(part, int) and part < len(content)
        ):
            content = content[part]  # type: ignore[index]
        elif not (missing and position == len(location) - 1):
            continue
        parts.append(part)
    return parts


def _hint(parts: list[str | int], content: object, table: type[Section]) -> str:
    """Which key of the same table may have been meant, or all of its keys if they are few."""
    *parents, key = parts
    schema = table.model_json_schema()
    matched = list(_tables(schema, content, schema.get("$defs", {})))
    for part in parents:
        content = content[part]  # type: ignore[index]
        members = [member for one in matched if (member := _member(one, part)) is not None]
        matched = [one for member in members for one in _tables(member, content, schema.get("$defs", {}))]
    known = sorted({name for one in matched for name in one.get("properties", {})} - {key})
    if near := difflib.get_close_matches(str(key), known, n=1):
        return f"; did you mean {near[0]!r}?"
    if not 0 < len(known) <= FEW_KEYS:
        return ""
    return f"; there is only {known[0]}" if len(known) == 1 else f"; there are {', '.join(known)}"


def _tables(schema: dict[str, Any], content: object, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas that some content may have been meant for, of a union those of its kind."""
    if "$ref" in schema:
        yield from _tables(definitions[schema["$ref"].rsplit("/", 1)[-1]], content, definitions)
    for union in ("anyOf", "oneOf", "allOf"):
        for member in schema.get(union, ()):
            yield from _tables(member, content, definitions)
    kind = schema.get("properties", {}).get("kind", {}).get("const")
    given = content.get("kind", kind) if isinstance(content, dict) else kind
    if schema.get("type") in ("object", "array") and given == kind:
        yield schema


def _member(schema: dict[str, Any], part: str | int) -> dict[str, Any] | None:
    """Schema of what is behind a key of a table, or a place in a list."""
    member: dict[str, Any] | None = schema.get("properties", {}).get(part)
    for rest in ("additionalProperties", "items"):
        if member is None and isinstance(schema.get(rest), dict):
            member = schema[rest]
    return member
