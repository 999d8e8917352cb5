"""Command `stac-asset blocks`: list saved credential blocks, and check a block against an href."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import click
import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from pydantic import ValidationError
from yarl import URL

from prefect_stac_asset.blocks.prefect_api import configured_server, map_prefect_errors
from prefect_stac_asset.blocks.references import BlockReference, invalid_fields, name_of
from prefect_stac_asset.blocks.registry import CREDENTIAL_SLUGS, OUR_BLOCKS, client_of
from stac_asset import Config
from stac_asset.cli.options import json_option
from stac_asset.cli.output import print_json
from stac_asset.cli.tables import print_table
from stac_asset.clients import Request
from stac_asset.concurrency import new_runner
from stac_asset.errors import ConfigError
from stac_asset.host_patterns import HostPatterns
from stac_asset.hrefs import parse_href
from stac_asset.redact import redact_href

_T = TypeVar("_T")
_PAGE = 200
"""Maximum number of blocks per response of Prefect's server."""


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def app(context: click.Context, as_json: bool) -> None:
    """List the types of credential blocks and the saved blocks of each type.

    PREFECT_API_URL selects the Prefect server.
    """
    if context.invoked_subcommand is not None:
        return
    saved = _run(_all_saved)
    names = {slug: [str(block.name) for block in found] for slug, found in saved.items()}
    if as_json:
        print_json({"blocks": names, "problems": list(_problems(saved))})
        return
    print_table(
        ("type", "saved"), [(slug, ", ".join(found) or None) for slug, found in names.items()]
    )
    for problem in _problems(saved):
        click.echo(problem)


@app.command()
@click.argument("name")
@click.option("--href", required=True, help="URL or path to open with the block.")
@json_option
def check(name: str, href: str, as_json: bool) -> None:
    """Check that the saved block NAME can open a URL or path. No file is downloaded.

    NAME is <type-slug>/<name>. The name alone is enough if only one block type has a block of that
    name.
    """
    opened = _run(partial(_check, name, href))
    if as_json:
        print_json(asdict(opened))
    else:
        click.echo(opened)


async def _all_saved() -> dict[str, list[BlockDocument]]:
    async with get_client() as client:
        return {slug: await _saved(client, slug) for slug in CREDENTIAL_SLUGS}


def _problems(saved: Mapping[str, Iterable[BlockDocument]]) -> Iterator[str]:
    """Yield a sentence for each block with an invalid field that is no secret.

    Prefect's server does not validate the fields of a block that a form saves.
    """
    for kind in OUR_BLOCKS:
        slug = kind.get_block_type_slug()
        for document in saved.get(slug, ()):
            try:
                kind.model_validate(document.data)
            except ValidationError as error:
                reasons = "; ".join(invalid_fields(error, kind.names_of_secrets()))
                if reasons:
                    yield f"Block '{slug}/{document.name}' is invalid: {reasons}."


async def _saved(client: PrefectClient, slug: str) -> list[BlockDocument]:
    """Return the saved blocks of a type, without secrets. An unregistered type has no blocks."""
    documents: list[BlockDocument] = []
    while True:
        try:
            found = await client.read_block_documents_by_type(
                slug, offset=len(documents), limit=_PAGE, include_secrets=False
            )
        except httpx.HTTPStatusError as error:
            # Without Prefect's API at the URL, the list of types is not found either.
            if error.response.status_code != 404 or await _is_registered(client, slug):
                raise
            return documents
        documents += found
        if len(found) < _PAGE:
            named = [document for document in documents if document.name]
            return sorted(named, key=lambda document: str(document.name))


async def _is_registered(client: PrefectClient, slug: str) -> bool:
    return slug in {kind.slug for kind in await client.read_block_types()}


@dataclass(frozen=True, slots=True)
class _Opened:
    """A block that opened a file."""

    block: str
    href: str
    bytes: int | None

    def __str__(self) -> str:
        size = f"{self.bytes:,} bytes" if self.bytes is not None else "of unknown size"
        return f"{self.block} can open {self.href} ({size})"


async def _check(name: str, href: str) -> _Opened:
    """Open an href with a block, and return the size of the file.

    Raises:
        ConfigError: The block does not exist or does not apply to the href.
        StacAssetError: The href cannot be opened with the block.
    """
    block = await (await _reference(name)).load()
    url, shown = parse_href(href), redact_href(href)
    async with await client_of(block, Config()) as client:
        if not client.claims(url):
            raise ConfigError(f"{name_of(block)} does not apply to {shown}. {_cure(block, url)}")
        request = Request(url)
        await client.check(request)
        found = await client.stat(request)
    return _Opened(name_of(block), shown, found.size)


def _cure(block: Block, url: URL) -> str:
    """Return how to let a block apply to a URL that the client of the block does not claim."""
    hosts = getattr(block, "hosts", None)
    if hosts and HostPatterns(hosts).names_host_of(url):
        return (
            "Hosts without a scheme are for https, and hosts without a port for the default port. "
            f"Set `hosts` to ['{url.origin()}']."
        )
    return "Check its `hosts` or `buckets`."


async def _reference(name: str) -> BlockReference:
    if "/" in name:
        return BlockReference(name)
    async with get_client() as client:
        slugs = [
            f"{slug}/{name}"
            for slug in CREDENTIAL_SLUGS
            for document in await _saved(client, slug)
            if document.name == name
        ]
    if not slugs:
        raise ConfigError(f"Block '{name}' is not saved. Run `stac-asset blocks` to list blocks.")
    if len(slugs) > 1:
        raise ConfigError(f"Block name '{name}' is ambiguous. Set NAME to {' or '.join(slugs)}.")
    return BlockReference(slugs[0])


def _run(command: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    click.echo(f"Prefect server: {configured_server()}", err=True)
    with map_prefect_errors(), new_runner() as runner:
        return runner.run(command())
