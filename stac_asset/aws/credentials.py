"""Internal: compare the credentials of two botocore sessions without revealing the credentials."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

_DEFAULT = "default"
"""Stands for the credentials that botocore finds in the environment and on the machine.

Temporary credentials of the same role differ between two sessions.
"""


async def credential_digests(session: AioSession, is_default: bool) -> frozenset[str]:
    """Return texts that identify the credentials of a session, if the session has credentials.

    Args:
        session: The session.
        is_default: Whether botocore searches for the credentials, without a key, profile or role.
    """
    found = await session.get_credentials()
    if found is None:
        return frozenset()
    frozen = await found.get_frozen_credentials()
    text = "\0".join(part or "" for part in (frozen.access_key, frozen.secret_key, frozen.token))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return frozenset((digest, _DEFAULT)) if is_default else frozenset((digest,))
