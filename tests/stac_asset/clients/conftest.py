"""Certificates of the hosts that tests serve under real names."""

from __future__ import annotations

import ssl

import pytest
import trustme

CERTIFIED_NAMES = (
    "*.blob.core.windows.net",
    "*.earthdata.nasa.gov",
    "*.lpdaac.earthdatacloud.nasa.gov",
    "*.s3.us-west-2.amazonaws.com",
    "*.nasa.gov",
    "*.earthdata.nasa.gov.evil.example",
    "*.evil.example",
)


@pytest.fixture(scope="session")
def certificate_authority() -> trustme.CA:
    """Return a certificate authority that only these tests trust."""
    return trustme.CA()


@pytest.fixture(scope="session")
def client_context(certificate_authority: trustme.CA) -> ssl.SSLContext:
    """Return the SSL context of clients that trust the certificate authority."""
    context = ssl.create_default_context()
    certificate_authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def server_context(certificate_authority: trustme.CA) -> ssl.SSLContext:
    """Return the SSL context of servers under all host names of the tests."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate = certificate_authority.issue_cert(*CERTIFIED_NAMES)
    certificate.configure_cert(context)
    return context
