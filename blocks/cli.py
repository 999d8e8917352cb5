"""The command `stac-asset blocks`: which blocks are saved, and whether one opens an href."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import click
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.blocks.prefect_api import asking_prefect
from prefect_stac_asset.blocks.prefect_aws import AWS_BLOCKS
from prefect_stac_asset.blocks.references import BlockReference, name_of
from prefect_stac_asset.blocks.registry import OUR_BLOCKS, client_of
from stac_asset import Config
from stac_asset.cli.tables import print_table
from stac_asset.clients import Request
from stac_asset.concurrency import new_runner
from stac_asset.errors import ConfigError
from stac_asset.hrefs import parse_href
from stac_asset.redact import redact_href

_T = TypeVar("_T")
_PAGE = 200
"""How many blocks Prefect's server gives at once."""


@click.group(invoke_without_command=True)
@click.pass_context
def app(context: click.Context) -> None:
    """Show the types of blocks that hold credentials, and which are saved."""
    if context.invoked_subcommand is None:
        print_table(("type", "saved"), _run(_rows()))


@app.command()
@click.argument("name")
@click.option("--href", required=True, help="What to open with it.")
def check(name: str, href: str) -> None:
    """Try whether the saved block NAME opens an href. Downloads nothing.

    NAME is <type-slug>/<name>, or the name alone where no two types have it.
    """
    click.echo(_run(_checked(name, href)))


async def _rows() -> list[tuple[str, str | None]]:
    async with get_client() as client:
        saved = {kind: await _saved(client, kind) for kind in (*OUR_BLOCKS, *AWS_BLOCKS)}
    return [
        (kind.get_block_type_slug(), ", ".join(names) if names else None)
        for kind, names in saved.items()
    ]


async def _saved(client: PrefectClient, kind: type[Block]) -> list[str]:
    """Returns the names of the blocks of a type; none where the type is not registered."""
    names: list[str] = []
    while True:
        try:
            found = await client.read_block_documents_by_type(
                kind.get_block_type_slug(),
                offset=len(names),
                limit=_PAGE,
                include_secrets=False,
            )
        except ObjectNotFound:
            return names
        names += [document.name for document in found if document.name]
        if len(found) < _PAGE:
            return sorted(names)


async def _checked(name: str, href: str) -> str:
    """Returns what a block finds where an href leads.

    Raises:
        ConfigError: There is no such block, or it is not for the href.
        StacAssetError: It does not open it.
    """
    block = await (await _reference(name)).load()
    url, shown = parse_href(href), redact_href(href)
    async with await client_of(block, Config()) as client:
        if not client.claims(url):
            raise ConfigError(f"{name_of(block)} is not for {shown}: look at its hosts or buckets")
        request = Request(url)
        await client.check(request)
        found = await client.stat(request)
    size = f"{found.size:,} bytes" if found.size is not None else "of unknown size"
    return f"{name_of(block)} opens {shown} ({size})"


async def _reference(name: str) -> BlockReference:
    if "/" in name:
        return BlockReference(name)
    async with get_client() as client:
        slugs = [
            f"{kind.get_block_type_slug()}/{name}"
            for kind in (*OUR_BLOCKS, *AWS_BLOCKS)
            if name in await _saved(client, kind)
        ]
    if not slugs:
        raise ConfigError(f"no block '{name}' is saved: look at `stac-asset blocks`")
    if len(slugs) > 1:
        raise ConfigError(f"'{name}' may be {' or '.join(slugs)}: say which")
    return BlockReference(slugs[0])


def _run(command: Coroutine[Any, Any, _T]) -> _T:
    with asking_prefect(), new_runner() as runner:
        return runner.run(command)
