"""Hooks by which plain dataclasses serve as the schema of experiment files, without loading pydantic."""

from __future__ import annotations

from typing import Annotated, Any

from fefreq.support.arrays import FloatArray, real_array


def _listed(value: Any) -> FloatArray:
    try:
        return real_array(value, "the array")
    except TypeError as error:  # schemas report a ValueError with the path of the key
        raise ValueError(str(error)) from error


class ArrayField:
    """Lets a numpy array stand in a pydantic schema: nested lists in files, arrays in Python."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Validate by :func:`real_array`, serialise as nested lists."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _listed,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda array: array.tolist()),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, source: Any, handler: Any) -> dict[str, str]:
        """Describe the array for the reference of experiment files."""
        return {"type": "array"}


class ByKind:
    """Marks a union whose members are told apart by their field ``kind``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Discriminate the members of the union by ``kind``."""
        from pydantic import Field

        return handler(Annotated[source, Field(discriminator="kind")])
