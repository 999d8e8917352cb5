# An image for runs in containers, and for workers elsewhere: docs/deployments.md says how.
#
#     docker build --tag prefect-stac-asset .
FROM python:3.13-slim

WORKDIR /opt/prefect-stac-asset

# The packages first: they change less often than the code, and stay in a layer of their own.
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE prefect.yaml ./
COPY stac_asset ./stac_asset
COPY prefect_stac_asset ./prefect_stac_asset
COPY blocks ./blocks
COPY flows ./flows
COPY deployments ./deployments
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .

# Nothing needs root. What runs download goes to the volume, by absolute paths: the folder of a run
# ends with it.
RUN useradd --create-home --uid 1000 stac && install --directory --owner stac /srv/stac
USER stac
VOLUME /srv/stac
WORKDIR /srv/stac
ENV PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1

# A work pool for containers says its own command. By default, the container is a worker, which
# needs PREFECT_API_URL, and runs flows as processes.
CMD ["prefect", "worker", "start", "--type", "process", "--pool", "stac-asset"]
