"""Internal: types of work pools, with base job templates that suit downloads."""

from prefect_stac_asset.deployments.pools.types import POOL_TYPES, PoolName, PoolType

__all__ = ["POOL_TYPES", "PoolName", "PoolType"]
