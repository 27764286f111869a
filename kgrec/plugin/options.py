"""Options of parts: a pydantic model beside each part holds name, default, bounds and meaning of its options."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError


@runtime_checkable
class WithOptions(Protocol):
    """A class that says by a model which options it takes."""

    Options: type[BaseModel]


class Options(BaseModel):
    """The options of a part, each a field with a description. Bounds are those of the fields.

    Raises:
        ValueError: an option is unknown or unusable; the message names it and says what it may be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ValueError(_told(error)) from None


def option_defaults(cls: Any) -> dict[str, Any]:
    """Return the options that a class takes, in their order, with their defaults; ``...`` where there is none."""
    if isinstance(cls, WithOptions):
        fields = cls.Options.model_fields.items()
        return {name: ... if field.is_required() else field.get_default(call_default_factory=True)
                for name, field in fields}  # fmt: skip
    parameters = inspect.signature(cls).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and not p.name.startswith("_")]
    return {p.name: ... if p.default is p.empty else p.default for p in named}


class Configured:
    """A part that keeps its options as ``options``.

    Args:
        options: fields of ``Options``; what is left out has its default.

    Raises:
        ValueError: an option is unknown or unusable.
    """

    Options: ClassVar[type[BaseModel]] = Options
    options: Any

    def __init__(self, **options: Any) -> None:
        self.options = self.Options(**options)


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"there is no option {name!r}"
    if first["type"] == "missing":
        return f"the option {name!r} is missing"
    if first["type"] == "value_error":
        return str(first["msg"]).removeprefix("Value error, ")
    message = str(first["msg"]).removeprefix("Input should be ")
    return f"{name} must be {message}, not {first['input']!r}"
