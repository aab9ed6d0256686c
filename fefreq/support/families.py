"""Families of classes that users extend: densities, models, sources of targets.

The root of a family derives from :class:`Family`. Its members stand in experiment files and saved results as tables
told apart by their key ``kind``: members of this package by a short name, ``kind = "gaussian"``, those of others by
where they are defined, ``kind = "my_module:Triangle"``. Deriving from the root is all it takes to be found. Nothing is
imported because a file asks for it.
"""

from __future__ import annotations

import dataclasses
import pkgutil
import sys
from abc import ABC
from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any, ClassVar, Self, Union


class MissingKindError(ValueError):
    """A file names a class that the program has not defined or imported."""


class Family(ABC):  # noqa: B024 - what is abstract is up to each root
    """Base of the root of a family; see the module.

    Members are frozen dataclasses; unknown keys of their tables are refused. A member that is none works like any
    other, only files cannot hold it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    @classmethod
    def family(cls) -> type[Family]:
        """The root of the family."""
        return next(base for base in cls.__mro__ if Family in base.__bases__)

    @classmethod
    def kind_name(cls) -> str:
        """What names the class in a file."""
        own = cls.__module__.startswith(_room(cls.family()) + ".")
        return str(vars(cls)["kind"]) if own else f"{cls.__module__}:{cls.__qualname__}"

    def to_json(self) -> str:
        """Write as JSON; :meth:`from_json` of the root reads it back.

        Raises
        ------
        TypeError
            If the class, or one that it holds, is no dataclass of numbers, text, tuples and members of families.
        ValueError
            If it holds a function.
        """
        _require_writable(self)
        text: str = _adapter(self.family()).dump_json(self).decode()
        return text

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote, validated as in an experiment file.

        Raises
        ------
        MissingKindError
            If the class has not been defined or imported.
        ValueError
            If the text is something else.
        """
        from pydantic import ValidationError

        try:
            member = _adapter(cls.family()).validate_json(text)
        except ValidationError as error:
            said = "; ".join(
                ": ".join([".".join(map(str, item["loc"])), item["msg"]] if item["loc"] else [item["msg"]])
                for item in error.errors()
            )
            missing = any(item["type"] == "kind_missing" for item in error.errors())
            raise (MissingKindError if missing else ValueError)(said) from error
        if not isinstance(member, cls):
            raise ValueError(f"the text holds a {type(member).__name__}, not a {cls.__name__}")
        return member

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Members as dataclasses; the root as any of its members, told apart by ``kind``."""
        return _family_schema(cls, handler) if Family in cls.__bases__ else handler(source)


def require_member(value: object, root: type[Family], name: str, example: str) -> None:
    """Insist that an argument is a member of a family.

    Raises
    ------
    TypeError
        If it is not; the message has the example of one that is.
    """
    if not isinstance(value, root):
        raise TypeError(f"{name} must be a {root.__name__} such as {example}, not {value!r}")


def _room(root: type[Family]) -> str:
    """The package in which the members of this project live: that of the root."""
    return root.__module__.rpartition(".")[0]


def _members(root: type[Family]) -> Iterator[type[Family]]:
    for member in root.__subclasses__():
        yield member
        yield from _members(member)


def _own_members(root: type[Family]) -> list[type[Family]]:
    """Members in the package of the root, all of whose modules are imported here."""
    room = _room(root)
    for module in pkgutil.iter_modules(sys.modules[room].__path__):
        import_module(f"{room}.{module.name}")
    own = [member for member in _members(root) if member.__module__.startswith(f"{room}.")]
    return sorted((member for member in own if "kind" in vars(member)), key=lambda member: member.__module__)


def _family_schema(root: type[Family], handler: Any) -> Any:
    from pydantic import Field
    from pydantic_core import PydanticCustomError, core_schema

    own = _own_members(root)
    spelled = {member.kind_name().replace("_", "-"): member.kind_name() for member in own}

    def validated(value: Any, inner: Any) -> Any:
        if isinstance(value, root):
            return value
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            return inner(value)
        kind = value["kind"]
        if ":" not in kind:
            return inner({**value, "kind": spelled.get(kind.replace("_", "-"), kind)})
        # The last of a name, for notebooks define classes again.
        found = {member.kind_name(): member for member in _members(root)}.get(kind)
        if found is None:
            module, _, name = kind.partition(":")
            raise PydanticCustomError(
                "kind_missing",
                "{name} of {module} is a {root} of somebody's own that is not here: define or import it first",
                {"name": name, "module": module, "root": root.__name__.lower()},
            )
        return _adapter(found).validate_python({k: v for k, v in value.items() if k != "kind"})

    def serialised(value: Any, inner: Any, info: Any) -> Any:
        if type(value) in own:
            return inner(value)
        table = _adapter(type(value)).dump_python(value, mode=info.mode)
        return {**table, "kind": value.kind_name()}

    members = Annotated[Union[tuple(own)], Field(discriminator="kind")] if len(own) > 1 else own[0]  # noqa: UP007
    schema = handler.generate_schema(members)
    return core_schema.no_info_wrap_validator_function(
        validated,
        schema,
        serialization=core_schema.wrap_serializer_function_ser_schema(
            serialised, schema=schema, info_arg=True
        ),
    )


_ADAPTERS: dict[Any, Any] = {}


def _adapter(cls: Any) -> Any:
    from pydantic import TypeAdapter

    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(cls)
    return _ADAPTERS[cls]


def _require_writable(member: Any) -> None:
    from pydantic import PydanticUserError

    name = type(member).__name__
    if not dataclasses.is_dataclass(member):
        raise TypeError(
            f"{name} is no dataclass, so no file can hold it: make it a frozen dataclass whose fields are "
            "numbers, text, tuples, densities or models"
        )
    for item in dataclasses.fields(member):
        value = getattr(member, item.name)
        if callable(value):
            raise ValueError(
                f"{item.name} of your own cannot be written to a file, as it is a function: keep the script that made "
                f"this {name}, or give one by name"
            )
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Family):
                _require_writable(part)
    try:
        _adapter(type(member))
    except (PydanticUserError, NameError) as error:
        raise TypeError(
            f"no file can hold {name} ({str(error).splitlines()[0]}): annotate its fields as numbers, text, "
            "tuples, densities or models"
        ) from error
