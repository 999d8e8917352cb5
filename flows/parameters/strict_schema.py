"""Internal: the schema with which Prefect's server refuses unknown parameters of a run.

Prefect's own schema accepts any further parameter, and the run then crashes. `prefect deploy`
creates the schema itself, so that its deployments keep Prefect's schema.
"""

from __future__ import annotations

from typing import Any

from prefect.deployments.runner import RunnerDeployment
from prefect.utilities.callables import ParameterSchema

from prefect_stac_asset.flows.parameters.misspellings import misspelling_patterns


class _StrictSchema(ParameterSchema):
    """A schema that accepts the named parameters only, and knows misspelt names."""

    # The names are those of JSON Schema.
    additionalProperties: dict[str, Any]
    patternProperties: dict[str, Any]


def refuse_unknown_parameters(deployment: RunnerDeployment) -> RunnerDeployment:
    """Change the schema of a deployment, and return the deployment.

    Args:
        deployment: The deployment, which is not registered yet.
    """
    schema = deployment._parameter_openapi_schema
    names = tuple(schema.properties)
    deployment._parameter_openapi_schema = _StrictSchema(
        **schema.model_dump(exclude_unset=True),
        # The server shows the constant. `False` would show the patterns.
        additionalProperties={"const": f"one of {', '.join(names)}"},
        patternProperties=misspelling_patterns(names),
    )
    return deployment
