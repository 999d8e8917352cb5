"""The command `stac-asset doctor`: checks of the installation, the machine and the credentials."""

from stac_asset.cli.doctor.findings import Finding, Level
from stac_asset.cli.doctor.run import doctor

__all__ = ["Finding", "Level", "doctor"]
