"""Hosts of NASA Earthdata that accept the Earthdata token.

By default, only `HOSTS` receive the token. `DAAC_HOSTS` are data servers of the DAACs (Distributed
Active Archive Centers) outside of these domains. They receive the token if the user lists them in
`Config.earthdata_hosts`, or uses a client or block whose hosts include them. The block
`EarthdataCredentials` includes them by default.

The DAACs are listed at https://www.earthdata.nasa.gov/centers.
"""

from __future__ import annotations

HOSTS = (
    "*.earthdata.nasa.gov",
    "*.earthdatacloud.nasa.gov",
    "earthdata.nasa.gov",
    "earthdatacloud.nasa.gov",
)
"""Earthdata's own domains. By default, these hosts receive the token."""

DAAC_HOSTS = {
    "datapool.asf.alaska.edu": "ASF DAAC",
    "sentinel1.asf.alaska.edu": "ASF DAAC",
    "cumulus.asf.alaska.edu": "ASF DAAC",
    "grfn.asf.alaska.edu": "ASF DAAC",
    "asdc.larc.nasa.gov": "ASDC",
    "l5ftl01.larc.nasa.gov": "ASDC",
    "cddis.nasa.gov": "CDDIS",
    "*.cddis.eosdis.nasa.gov": "CDDIS",
    "*.gesdisc.eosdis.nasa.gov": "GES DISC",
    "ghrc.nsstc.nasa.gov": "GHRC DAAC",
    "ladsweb.modaps.eosdis.nasa.gov": "LAADS DAAC",
    "nrt3.modaps.eosdis.nasa.gov": "LANCE",
    "e4ftl01.cr.usgs.gov": "LP DAAC",
    "opendap.cr.usgs.gov": "LP DAAC",
    "n5eil01u.ecs.nsidc.org": "NSIDC DAAC",
    "n5eil02u.ecs.nsidc.org": "NSIDC DAAC",
    "oceandata.sci.gsfc.nasa.gov": "OB.DAAC",
    "daac.ornl.gov": "ORNL DAAC",
    "podaac-tools.jpl.nasa.gov": "PO.DAAC",
    "sedac.ciesin.columbia.edu": "SEDAC",
}
"""Data servers of the DAACs that use the Earthdata login, with the name of the DAAC."""
