"""Internal: proxies and certificates that the environment declares, for all clients.

HTTP and S3 clients, token requests and searches of STAC APIs use this folder, so that each variable
has the same effect for all of them. `.netrc` is not read for proxies or servers.
"""

from stac_asset.clients.network.certificates import CertificateSources
from stac_asset.clients.network.connector import EnvironmentConnector, connector_from_environment
from stac_asset.clients.network.proxies import Proxies, Proxy

__all__ = [
    "CertificateSources",
    "EnvironmentConnector",
    "Proxies",
    "Proxy",
    "connector_from_environment",
]
