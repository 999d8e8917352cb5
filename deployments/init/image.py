"""Internal: the text of the Dockerfile that `stac-asset init` writes."""

from __future__ import annotations

from importlib.metadata import version

from prefect_stac_asset.deployments.init.choices import CODE, Choices

_TEXT = """\
# Image of flow runs. `stac-asset init` wrote this file, and never changes the file.
#
#     docker build --tag {image} .
FROM python:3.13-slim

# The requirement that pip installs: a version, or the URL of a wheel or repository. Set another
# with --build-arg STAC_ASSET=...
ARG STAC_ASSET="{requirement}"
RUN python -m pip install --no-cache-dir "prefect=={prefect}" "$STAC_ASSET"

# Runs do not need root. Prefect copies the working directory of a container for each run, so that
# the working directory is empty.
RUN useradd --create-home --uid 1000 stac && install --directory --owner stac {folders}
{flows}USER stac
WORKDIR /srv/empty
ENV PREFECT_SERVER_ANALYTICS_ENABLED=false \\
    PYTHONUNBUFFERED=1
"""


def dockerfile(choices: Choices) -> str:
    """Return the text of the Dockerfile.

    Args:
        choices: The choices of the user.
    """
    extra = choices.pool_type.scheme[1]
    package = f"prefect-stac-asset[{extra}]" if extra else "prefect-stac-asset"
    flows = ["COPY flows", f"{CODE}/flows"]
    return _TEXT.format(
        image=choices.image,
        requirement=f"{package}=={version('prefect-stac-asset')}",
        prefect=version("prefect"),
        folders=" ".join(["/srv/empty", *([choices.volume] if choices.volume else [])]),
        flows=f"{' '.join(flows)}\n" if choices.has_example else "",
    )
