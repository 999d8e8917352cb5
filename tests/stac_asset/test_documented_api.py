"""Names, arguments, argument order and defaults match the documented API."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_origin

import pytest

import stac_asset
from stac_asset import validate
from stac_asset.clients import Clients
from stac_asset.types import MessageQueue
from tests.support.paths import SHARED

DOCUMENT = SHARED / "STAC_ASSET_API.txt"
if not DOCUMENT.is_file():
    pytest.skip("../shared/STAC_ASSET_API.txt does not exist", allow_module_level=True)

ENTRY = re.compile(
    r"(?P<words>(?:(?:async|abstract|classmethod|class|exception) )*)"
    r"(?P<name>[\w.]+)"
    r"(?:\((?P<arguments>.*)\)(?: [^()]+)?)?"
    r"(?P<attribute>(?:: .+)|(?: = .+))?#"
)
MODULES = {"stac_asset.blocking", "stac_asset.validate"}


@dataclass(frozen=True)
class Entry:
    """Entry of the document: a class, function, method or attribute."""

    words: frozenset[str]
    name: str
    arguments: tuple[str, ...] | None
    default: str | None

    def __str__(self) -> str:
        return self.name


def read_entries() -> Iterator[Entry]:
    """Yield the entries of the document."""
    owner = ""
    for line in DOCUMENT.read_text().splitlines()[1:]:
        if not line.endswith("#"):
            continue
        match = ENTRY.fullmatch(line)
        assert match is not None, f"cannot parse: {line}"
        words = frozenset(match["words"].split())
        name = match["name"]
        if name in MODULES:
            continue
        if words & {"class", "exception"}:
            owner = name
        elif not name.startswith("stac_asset."):
            name = f"{owner}.{name}"
        arguments = match["arguments"]
        yield Entry(
            words=words,
            name=name,
            arguments=None if arguments is None else tuple(split_arguments(arguments)),
            default=default_of(match["attribute"] or ""),
        )


def split_arguments(arguments: str) -> Iterator[str]:
    """Yield the arguments of a signature. Commas in brackets do not separate arguments."""
    depth, current = 0, ""
    for character in arguments:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            yield current.strip()
            current = ""
        else:
            current += character
    if current.strip():
        yield current.strip()


def default_of(text: str) -> str | None:
    """Return the default value of a documented argument or attribute, if any."""
    _, equals, default = text.partition("= ")
    return default if equals else None


def format_default(value: object) -> str:
    """Return a default value in the notation of the document."""
    return str(value) if isinstance(value, Enum) else repr(value)


def resolve(name: str) -> Any:
    """Return the object with a documented name."""
    value: Any = stac_asset
    for part in name.split(".")[1:]:
        value = (
            inspect.getattr_static(value, part) if inspect.isclass(value) else getattr(value, part)
        )
    return value


ENTRIES = list(read_entries())
CALLABLES = [entry for entry in ENTRIES if entry.arguments is not None]
ATTRIBUTES = [
    entry
    for entry in ENTRIES
    if entry.arguments is None and not entry.words & {"class", "exception"}
]
CLASSES = [entry for entry in ENTRIES if entry.words & {"class", "exception"}]


def test_all_entries_are_parsed() -> None:
    names = {entry.name for entry in ENTRIES}
    assert len(ENTRIES) == DOCUMENT.read_text().count("#\n") - len(MODULES) - 1
    assert {
        "stac_asset.Client.download_href",
        "stac_asset.Config.s3_max_attempts",
        "stac_asset.ErrorStrategy.DELETE",
        "stac_asset.blocking.download_item",
        "stac_asset.validate.content_type",
    } <= names
    assert (len(CLASSES), len(ATTRIBUTES)) == (15, 26)


@pytest.mark.parametrize("entry", CLASSES, ids=str)
def test_documented_class_exists(entry: Entry) -> None:
    value = resolve(entry.name)
    assert inspect.isclass(value)
    if "exception" in entry.words:
        assert issubclass(value, Exception)


@pytest.mark.parametrize("entry", CALLABLES, ids=str)
def test_documented_arguments_match(entry: Entry) -> None:
    value = resolve(entry.name)
    if inspect.isclass(value) and issubclass(value, Enum):
        return  # The document lists the arguments of `Enum` itself.
    method = inspect.isfunction(value) and entry.name.split(".")[1] not in ("blocking", "validate")
    if isinstance(value, classmethod):
        value, method = value.__func__, True
    parameters = list(inspect.signature(value).parameters.values())
    if method and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    assert entry.arguments is not None
    documented = [argument for argument in entry.arguments if not argument.startswith("*")]
    for argument, parameter in zip(documented, parameters, strict=False):
        assert parameter.name == argument.partition(":")[0]
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        default = default_of(argument)
        if default is None:
            assert parameter.default is inspect.Parameter.empty
        else:
            assert format_default(parameter.default) == default
    assert len(documented) <= len(parameters)
    starred = {argument.partition(":")[0] for argument in entry.arguments} - {
        argument.partition(":")[0] for argument in documented
    }
    assert starred <= {str(parameter).partition(":")[0] for parameter in parameters}
    for added in parameters[len(documented) :]:
        variadic = added.kind in (added.VAR_POSITIONAL, added.VAR_KEYWORD)
        assert variadic or added.default is not inspect.Parameter.empty, f"{added.name} is required"


@pytest.mark.parametrize("entry", CALLABLES, ids=str)
def test_documented_coroutine_is_a_coroutine(entry: Entry) -> None:
    value = resolve(entry.name)
    if isinstance(value, classmethod):
        assert "classmethod" in entry.words
        value = value.__func__
    iterates = "AsyncIterator" in str(getattr(value, "__annotations__", {}).get("return"))
    if inspect.isclass(value):
        return
    assert ("async" in entry.words) == (inspect.iscoroutinefunction(value) or iterates)
    if "abstract" in entry.words:
        assert getattr(value, "__isabstractmethod__", False)
    elif iterates:
        assert inspect.isasyncgenfunction(value)


@pytest.mark.parametrize("entry", ATTRIBUTES, ids=str)
def test_documented_attribute_matches(entry: Entry) -> None:
    owner_name, _, name = entry.name.rpartition(".")
    owner = resolve(owner_name)
    if issubclass(owner, Enum):
        assert str(owner[name].value) == entry.default
        return
    annotated = {name for kind in owner.__mro__ for name in vars(kind).get("__annotations__", ())}
    assert name in annotated
    if entry.default is not None:
        field = {field.name: field for field in dataclasses.fields(owner)}[name]
        default = field.default.value if isinstance(field.default, Enum) else field.default
        assert repr(default) == entry.default


def test_documented_import_paths_exist() -> None:
    assert inspect.isclass(Clients)
    assert get_origin(MessageQueue) is not None
    assert validate.content_type is stac_asset.validate.content_type


def test_documented_errors_have_documented_base_classes() -> None:
    assert issubclass(stac_asset.CantIncludeAndExclude, stac_asset.ConfigError)
    assert stac_asset.CannotIncludeAndExclude is stac_asset.CantIncludeAndExclude
    assert issubclass(stac_asset.DownloadWarning, Warning)
