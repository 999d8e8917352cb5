# Image for flow runs in containers, and for workers on other machines. See docs/deployments.md.
#
#     docker build --tag prefect-stac-asset .
FROM python:3.13-slim

WORKDIR /opt/prefect-stac-asset

# Dependencies change less often than the code and have a cached layer of their own.
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE prefect.yaml ./
COPY stac_asset ./stac_asset
COPY prefect_stac_asset ./prefect_stac_asset
COPY blocks ./blocks
COPY flows ./flows
COPY deployments ./deployments
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .

# Runs do not need root. Set the parameter `directory` to an absolute path in the volume: the working
# directory of a run is deleted when the run ends. Prefect copies the working directory of the
# container for each run, so the working directory is empty and outside of the volume.
RUN useradd --create-home --uid 1000 stac && install --directory --owner stac /srv/stac /srv/empty
USER stac
VOLUME /srv/stac
WORKDIR /srv/empty
ENV PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1

# By default, the container is a worker that runs flows as processes. It requires PREFECT_API_URL.
# Work pools for containers replace this command.
CMD ["prefect", "worker", "start", "--type", "process", "--pool", "stac-asset"]
