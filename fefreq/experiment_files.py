"""Files that describe experiments: read, validated against a schema, every mistake named by its path.

Nothing in a file is ever evaluated as code.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

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
    path = _path(item["loc"], content, missing=kind == "missing")
    message = item["msg"].removeprefix("Value error, ")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        key = path.rsplit(".", 1)[-1]
        known = [name for name in _known_keys(table.model_json_schema()) if name != key]
        near = difflib.get_close_matches(key, known, n=1)
        message = "there is no such key" + (f"; did you mean {near[0]!r}?" if near else "")
    elif kind == "missing":
        message = "this key is missing"
    elif kind == "union_tag_not_found":
        message = "the key 'kind' is missing"
    elif kind == "union_tag_invalid":
        message = f"there is no kind {context['tag']!r}; there are {context['expected_tags']}"
    else:
        message = message[:1].lower() + message[1:]
    return f"{path}: {message}" if path else message


def _path(location: tuple[str | int, ...], content: object, missing: bool) -> str:
    """Location of a mistake without the names that pydantic adds for the members of unions."""
    parts: list[str] = []
    for position, part in enumerate(location):
        if (isinstance(content, dict) and part in content) or (
            isinstance(content, (list, tuple)) and isinstance(part, int) and part < len(content)
        ):
            content = content[part]  # type: ignore[index]
        elif not (missing and position == len(location) - 1):
            continue
        parts.append(str(part))
    return ".".join(parts)


def _known_keys(schema: dict[str, Any]) -> list[str]:
    tables = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for table in tables for key in table.get("properties", {})})
