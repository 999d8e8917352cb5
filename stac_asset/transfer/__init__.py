"""Internal: the engine, which downloads planned transfers through clients."""

from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Request, Response, Source, Sources, Stat
from stac_asset.transfer.probe import ProbeResult, probe, probe_all
from stac_asset.transfer.reporter import Reporter

__all__ = [
    "Engine",
    "ProbeResult",
    "Reporter",
    "Request",
    "Response",
    "Source",
    "Sources",
    "Stat",
    "probe",
    "probe_all",
]
