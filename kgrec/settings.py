"""Where the values of the settings come from: defaults < domain < kgrec.toml < ``--set a.b=c``."""

from __future__ import annotations

import copy
import datetime
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kgrec.config import Config, FileConfig
from kgrec.errors import ConfigError, DataError, NotFoundError, did_you_mean
from kgrec.shown import without_secrets

FILE_NAME = "kgrec.toml"
HIDDEN = "***"
_SECRET = re.compile(
    r"(?:^|[._-])(?:api_?key|key|token|secret|password|passwd|pwd|authorization|credentials?)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force and where each came from.

    Attributes:
        config: the settings.
        origins: dotted key -> ``"default"``, ``"domain video"``, ``"kgrec.toml"`` or ``"--set"``.
    """

    config: Config
    origins: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, Any, str]]:
        """Iterate over key, value and origin of every setting."""
        for key, value in flatten(self.config.model_dump()).items():
            yield key, HIDDEN if _SECRET.search(key) and value else _without(value), self.origins.get(key, "default")

    def with_files(self, added: Sequence[tuple[str, FileConfig]]) -> Settings:
        """Return the settings after files were added to kgrec.toml; see :meth:`kgrec.config.Config.with_files`."""
        origins = {**self.origins, **{f"data.{role}": FILE_NAME for role, _ in added}}
        return Settings(self.config.with_files(added), origins)


def load_settings(
    file: Path | None,
    overrides: Sequence[str] = (),
    *,
    domain_defaults: Callable[[str], Mapping[str, Any]] = lambda _: {},
) -> Settings:
    """Read kgrec.toml and lay the sources of settings over each other.

    Args:
        file: kgrec.toml, or None for defaults.
        overrides: ``a.b=c`` each; ``c`` is read as TOML and as a plain string when it is none.
        domain_defaults: name of the domain -> its nested defaults.

    Raises:
        ConfigError: a key is unknown or a value unusable; names file and key.
        NotFoundError: there is no such file.
        DataError: the file cannot be read or is not UTF-8.
    """
    written = _read(file) if file else {}
    given: dict[str, Any] = {}
    for override in overrides:
        _merge(given, _parse_override(override))
    name = given.get("domain", written.get("domain", Config().domain))
    of_domain = dict(domain_defaults(name)) if isinstance(name, str) else {}
    layers = [(f"domain {name}", of_domain), (FILE_NAME, written), ("--set", given)]
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        _merge(merged, copy.deepcopy(layer))  # a merged table must not be the domain's own
        origins.update(dict.fromkeys(flatten(layer), origin))
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, origins, file) from None
    return Settings(config, origins)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested tables into dotted keys; lists and empty tables are values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{dotted}."))
        else:
            flat[dotted] = value
    return flat


def _without(value: Any) -> Any:
    """Return a value without the secrets in its texts, in lists and tables too."""
    if isinstance(value, Mapping):
        return {k: HIDDEN if _SECRET.search(str(k)) and v else _without(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without(one) for one in value]
    return without_secrets(value) if isinstance(value, str) else value


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
        document = tomllib.loads(text)
        _check_filled_in(file, text, document)
        return document
    except FileNotFoundError:
        raise NotFoundError(f"no such file: {file}", hint="run `kgrec init DIR --from FILES`") from None
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}", hint="check path and permissions") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 (byte {error.start})", hint="save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}", hint="strings need quotes, tables are written [name]") from None


def _check_filled_in(file: Path, text: str, document: Mapping[str, Any]) -> None:
    """Make sure that nothing stands as ``init`` left it to a person: as a question mark.

    Raises:
        ConfigError: something does; names the line.
    """
    if not _has_question(document):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        said = line.partition("#")
        if re.search(r"""["']\?["']""", said[0]):
            raise ConfigError(
                f"{file} line {number}: fill in what stands as ?: {said[0].strip()}",
                hint=said[2].strip() or "name the column, or take the line away",
            )


def _has_question(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_question, value.values()))
    return any(map(_has_question, value)) if isinstance(value, list) else value == "?"


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f"--set {text!r} is not of the form key=value", hint="for example --set train.device=cpu")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    if isinstance(parsed, datetime.date | datetime.time):
        parsed = value.strip()  # all dates of kgrec.toml are strings
    nested: Any = parsed
    for part in reversed(parts):
        nested = {part: nested}
    return dict(nested)


def _merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(error: ValidationError, origins: Mapping[str, str], file: Path | None) -> ConfigError:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    origin = origins.get(key) or next((o for k, o in origins.items() if k.startswith(f"{key}.")), "")
    origin = origin or next((o for k, o in origins.items() if key.startswith(f"{k}.")), FILE_NAME)
    where = str(file) if origin == FILE_NAME and file else origin
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(path[-1], _known_keys(path[:-1]))
        return ConfigError(f"{where}: unknown key {key!r}", hint=hint)
    told = first["msg"].removeprefix("Value error, ")
    got = HIDDEN if _SECRET.search(key) else repr(_without(first["input"]))
    return ConfigError(f"{where}: {key}: {told} (got {got})", hint="see docs/configuration.md")


def _known_keys(path: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Config
    in_table = False  # a table of tables, like [data.items.attributes]: its own keys are free
    for part in path:
        if part.isdigit() or in_table:
            in_table = False
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        in_table = getattr(annotation, "__origin__", None) is dict
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        found = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not found:
            return []
        model = found[0]
    return list(model.model_fields)
