"""Serves all deployments from this process, without a work pool: `python -m deployments`."""

from prefect import serve

from deployments import deployments

if __name__ == "__main__":
    serve(*deployments())
