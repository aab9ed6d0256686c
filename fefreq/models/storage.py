"""Models as text."""

from __future__ import annotations

from fefreq.models import AnyModel, Model


def model_to_json(model: Model) -> str:
    """Write a model as JSON.

    Raises
    ------
    ValueError
        If its activation is a function, which has no text.
    """
    if callable(getattr(model, "activation", None)):
        raise ValueError(
            "a model with an activation of your own cannot be written to a file: keep the script that made it, or use "
            "an activation by name"
        )
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Model] = TypeAdapter(AnyModel)
    return adapter.dump_json(model).decode()


def model_from_json(text: str) -> Model:
    """Read a model from JSON, validated as in an experiment file."""
    from pydantic import TypeAdapter

    model: Model = TypeAdapter(AnyModel).validate_json(text)
    return model
