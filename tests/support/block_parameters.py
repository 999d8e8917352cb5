"""Flows with block parameters, and references to blocks as parameter values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Optional

from prefect import Flow, flow
from prefect.blocks.core import Block
from prefect_aws import AwsCredentials, MinIOCredentials, S3Bucket
from prefect_azure import AzureBlobStorageContainer, AzureBlobStorageCredentials
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from pydantic import create_model

from prefect_stac_asset import blocks, flows
from prefect_stac_asset.blocks.registry import OUR_BLOCKS

FLOWS: list[Flow[..., Any]] = [
    flows.check_assets,
    flows.download_collection,
    flows.download_item,
    flows.download_item_collection,
    flows.sync,
    flows.verify,
]
STORE_FLOWS: list[Flow[..., Any]] = [
    flows.download_collection,
    flows.download_item,
    flows.download_item_collection,
    flows.sync,
    flows.verify,
]
"""The flows that write to object stores."""

INTEGRATION_TYPES: tuple[type[Block], ...] = (
    AwsCredentials,
    MinIOCredentials,
    S3Bucket,
    GcpCredentials,
    GcsBucket,
    AzureBlobStorageCredentials,
    AzureBlobStorageContainer,
)
BLOCK_TYPES: tuple[type[Block], ...] = (*OUR_BLOCKS, *INTEGRATION_TYPES)
DESTINATION_TYPES: tuple[type[Block], ...] = (blocks.S3Credentials, *INTEGRATION_TYPES)
BLOCK_ID = "0d6a4f6e-5c3f-4e0e-9d0b-3f6a1c2b7d10"
SECRET = "pl4nted-t0ken"

SHAPES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "block": (lambda kind: kind, lambda value: value),
    "optional": (lambda kind: Optional[kind], lambda value: value),  # noqa: UP045 # at runtime
    "list": (lambda kind: list[kind], lambda value: [value, value]),
    "dict": (lambda kind: dict[str, kind], lambda value: {"one": value}),
    "model": (
        lambda kind: create_model("Job", creds=(kind, ...), other=(int, 1)),
        lambda value: {"creds": value},
    ),
    "union": (lambda kind: kind | int, lambda value: value),
}
"""Annotations that contain a block type, each with the matching parameter value."""


def reference_forms(kind: type[Block]) -> list[Any]:
    """Return the reference forms that Prefect accepts: by name, by id, and the form of the UI."""
    return [
        blocks.ref(f"{kind.get_block_type_slug()}/my own"),
        {"$ref": {"block_document_id": BLOCK_ID}},
        {"$ref": BLOCK_ID},
    ]


def make_user_flow(*kinds: type[Block]) -> Flow[..., Any]:
    """Return a user flow with a parameter of each shape for each block type."""

    def user_flow(**_: Any) -> None: ...

    user_flow.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                f"{shape}_{number}", inspect.Parameter.KEYWORD_ONLY, annotation=annotation(kind)
            )
            for number, kind in enumerate(kinds)
            for shape, (annotation, _) in SHAPES.items()
        ]
    )
    return flow(user_flow)


def user_flow_parameters(kinds: tuple[type[Block], ...], form: int) -> dict[str, Any]:
    """Return block references for all parameters of the user flow.

    Args:
        kinds: The block types.
        form: Index of the reference form in `reference_forms`.
    """
    return {
        f"{shape}_{number}": value(reference_forms(kind)[form])
        for number, kind in enumerate(kinds)
        for shape, (_, value) in SHAPES.items()
    }
