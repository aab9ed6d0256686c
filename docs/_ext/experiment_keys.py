"""The reference of experiment files, written from the schema that validates them.

A page asks for tables with comments of three forms, each in a line of its own:

- ``<!-- keys of Times -->``: the keys of one class of the schema;
- ``<!-- kinds of Comparison.target -->``: a section for every kind of table that a key may hold;
- ``<!-- studies -->``: a section for every kind of study, with all tables that only studies have.

Types, defaults and limits are those of the JSON schema. The meaning of a key is its description there, or what
the docstring of its class says in ``Parameters`` or ``Attributes``.
"""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from sphinx.application import Sphinx

from fefreq.experiments.schema import Section
from harness.studies import DEFAULT, study_kind, study_kinds

Schema = dict[str, Any]

_STUDIES = "<!-- studies -->"
_REQUEST = re.compile(r"^<!-- (keys|kinds) of (\w+)(?:\.(\w+))? -->$", re.MULTILINE)
_SECTION = re.compile(r"^(\w[\w ]*)\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^(\w[\w, ]*?) : [^\n]*\n((?:    [^\n]*\n?)+)", re.MULTILINE)
_ROLE = re.compile(r":(\w+):`([^`]+)`")
_WORDS = {"number": "number", "integer": "integer", "string": "text", "boolean": "true or false"}


@dataclass(frozen=True)
class Key:
    """A key of a table: type, default and meaning in words, as Markdown."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A class of the schema: what it is, its keys, and what it refuses.

    ``kind`` is the value of the key ``kind``, empty for classes that have none.
    """

    name: str
    kind: str
    summary: str
    keys: tuple[Key, ...]
    refusals: str


@cache
def tables() -> dict[str, Table]:
    """All classes of the schema by name."""
    return {name: _table(name, schema) for name, schema in _definitions().items()}


def kinds(class_name: str, key: str) -> list[Table]:
    """Classes that a key of a class may hold.

    >>> "tones" in [table.kind for table in kinds("Comparison", "target")]
    True
    """
    return [tables()[name] for name in _references(_definitions()[class_name]["properties"][key])]


def expand(page: str) -> str:
    """Put the tables that a page asks for in place of its requests."""

    def answer(request: re.Match[str]) -> str:
        what, class_name, key = request.groups()
        if what == "keys":
            return f"({_target(class_name)})=\n\n{as_markdown(tables()[class_name])}"
        return "\n\n".join(_section(key, table) for table in kinds(class_name, key))

    return _REQUEST.sub(answer, page).replace(_STUDIES, _studies() if _STUDIES in page else "")


def _studies() -> str:
    shown = set(_schema_of(study_kind(DEFAULT)))
    sections = []
    for kind in study_kinds():
        if kind == DEFAULT:
            continue
        study = study_kind(kind)
        table = tables()[study.__name__]
        sections.append(
            f'({_target(table.name)})=\n## `kind = "{kind}"`\n\n{table.summary}\n\n{as_markdown(table)}'
        )
        shown.add(table.name)
        waiting = [table.name]
        while waiting:
            for key, value in _definitions()[waiting.pop(0)].get("properties", {}).items():
                for name in _references(value):
                    if name not in shown:
                        shown.add(name)
                        waiting.append(name)
                        sections.append(_section(key, tables()[name]))
    return "\n\n".join(sections)


def _section(key: str, table: Table) -> str:
    heading = f'{key} = {{ kind = "{table.kind}" }}' if table.kind else key
    return f"({_target(table.name)})=\n### `{heading}`\n\n{table.summary}\n\n{as_markdown(table)}"


def as_markdown(table: Table) -> str:
    """Keys as a table in Markdown, and what is refused."""
    rows = [
        " | ".join(cell.replace("|", r"\|") for cell in (f"`{k.name}`", k.type, k.default, k.meaning))
        for k in table.keys
    ]
    lines = ["| key | type | default | meaning |", "|---|---|---|---|", *(f"| {row} |" for row in rows)]
    return "\n".join(lines) + (f"\n\nRefused if {table.refusals}" if table.refusals else "")


@cache
def _definitions() -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for table in map(study_kind, study_kinds()):
        for name, schema in _schema_of(table).items():
            if found.setdefault(name, schema) != schema:
                raise ValueError(f"two different tables of the schema are called {name}: rename one")
    return found


def _schema_of(table: type[Section]) -> dict[str, Schema]:
    schema = table.model_json_schema()
    return {**schema.pop("$defs", {}), table.__name__: schema}


def _table(name: str, schema: Schema) -> Table:
    docstring = inspect.cleandoc(schema.get("description", ""))
    sections = dict(_SECTION.findall(docstring + "\n"))
    documented: dict[str, str] = {}
    for title in ("Parameters", "Attributes"):
        for names, text in _ENTRY.findall(sections.get(title, "")):
            first, *others = names.split(", ")
            documented |= {first: _one_line(text)} | dict.fromkeys(others, f"see `{first}`")
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    if name in _told_apart_by_kind():
        required.add("kind")
    keys = tuple(
        Key(
            key,
            type_words(value),
            "required" if key in required else default_words(value),
            _meaning(key, value, documented),
        )
        for key, value in sorted(properties.items(), key=lambda item: item[0] != "kind")
    )
    refusals = re.findall(r"^ValueError\n((?:    .*\n?)+)", sections.get("Raises", ""), re.MULTILINE)
    return Table(
        name,
        _kind(name),
        _markup(_SECTION.sub("", docstring + "\n").strip()),
        keys,
        _one_line("".join(refusals)).removeprefix("If "),
    )


def _meaning(key: str, value: Schema, documented: dict[str, str]) -> str:
    if key == "kind":
        return "says which kind of table this is"
    if found := value.get("description") or documented.get(key):
        return _as_phrase(_markup(found))
    references = _references(value)
    if len(references) == 1:
        return _as_phrase(_markup(_definitions()[references[0]]["description"].split("\n\n")[0]))
    # Kinds of one union share keys; it is enough that one of them says what a key means.
    described = {
        other["properties"][key].get("description", "")
        for other in _definitions().values()
        if key in other.get("properties", {})
    } - {""}
    return described.pop() if len(described) == 1 else ""


def type_words(schema: Schema) -> str:
    """Type and limits of a value in words.

    >>> type_words({"type": "integer", "minimum": 1, "maximum": 8})
    'integer from 1 to 8'
    >>> type_words({"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}})
    'list of numbers above 0'
    """
    return " or ".join(dict.fromkeys(_alternatives(schema)))


def _alternatives(schema: Schema) -> list[str]:
    if "$ref" in schema or "discriminator" in schema:
        names = _references(schema)
        if not _kind(names[0]):
            return [f"[table](#{_target(names[0])})"]
        return ["table " + " or ".join(f"[{_kind(name)}](#{_target(name)})" for name in names)]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return [
            words for option in options if option.get("type") != "null" for words in _alternatives(option)
        ]
    if "const" in schema or "enum" in schema:
        return [f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")])]
    if schema["type"] == "array":
        if "prefixItems" in schema:
            return [f"[{', '.join(type_words(item) for item in schema['prefixItems'])}]"]
        items = _alternatives(schema["items"]) if "items" in schema else []
        return ["list of " + " or ".join(_plural(item) for item in items) if items else "array"]
    if schema["type"] == "object":
        return [f"by name: {type_words(schema['additionalProperties'])}"]
    word = "path" if schema.get("format") == "path" else _WORDS[schema["type"]]
    return [word + _limits(schema)]


def _plural(words: str) -> str:
    return re.sub(r"^(\w+)", r"\1s", words)


def _limits(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    limits = {
        " at least {:g}": low,
        " above {:g}": schema.get("exclusiveMinimum"),
        " at most {:g}": high,
        " below {:g}": schema.get("exclusiveMaximum"),
    }
    return " and".join(words.format(limit) for words, limit in limits.items() if limit is not None)


def default_words(schema: Schema) -> str:
    """Default of a key as it would stand in a file.

    >>> default_words({"default": False}), default_words({"default": 1e-8}), default_words({"default": None})
    ('`false`', '`1e-8`', '—')
    """
    default = schema.get("default", {})
    if default is None:
        return "—"
    if isinstance(default, dict):
        return "its defaults" if "$ref" in schema else "—"
    return f"`{json.dumps(default).replace('e-0', 'e-')}`"


def _references(schema: Any) -> list[str]:
    """Names of the classes that a value may be, without those inside them."""
    if isinstance(schema, list):
        return list(dict.fromkeys(name for item in schema for name in _references(item)))
    if not isinstance(schema, dict):
        return []
    if "$ref" in schema:
        return [schema["$ref"].rsplit("/", 1)[-1]]
    inside = [value for key, value in schema.items() if key not in ("discriminator", "default")]
    return list(dict.fromkeys(name for value in inside for name in _references(value)))


@cache
def _told_apart_by_kind() -> frozenset[str]:
    """Classes of unions: in a file these must name their kind."""
    text = json.dumps(_definitions())
    mappings = re.findall(r'"mapping": \{(.*?)\}', text)
    return frozenset(name for mapping in mappings for name in re.findall(r"#/\$defs/(\w+)", mapping))


def _kind(name: str) -> str:
    """Value of the key ``kind`` in a class, empty if it has none."""
    return str(_definitions()[name].get("properties", {}).get("kind", {}).get("const", ""))


def _target(class_name: str) -> str:
    return f"keys-{class_name.lower()}"


def _markup(text: str) -> str:
    """Docstring markup as Markdown."""
    return _ROLE.sub(r"{py:\1}`\2`", text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _as_phrase(text: str) -> str:
    """Without a full stop at the end, and with a small letter at the start unless it begins a name."""
    first = text.split(maxsplit=1)[0]
    text = text[0].lower() + text[1:] if first[1:].islower() else text
    return text.removesuffix(".")


def _insert(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = expand(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Expand pages as they are read, and read those anew whenever the schema may have changed."""
    app.connect("source-read", _insert)
    app.connect("env-get-outdated", lambda app, env, added, changed, removed: ["experiments", "studies"])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
