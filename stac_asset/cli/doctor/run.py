"""Runs all checks, and prints the findings."""

from __future__ import annotations

import dataclasses

import click

from stac_asset.cli.doctor.credentials import credential_findings
from stac_asset.cli.doctor.findings import Finding, Level, added_findings
from stac_asset.cli.doctor.machine import machine_findings
from stac_asset.cli.doctor.packages import package_findings
from stac_asset.cli.names import as_typed
from stac_asset.cli.output import colored, print_json, printable
from stac_asset.config import Config
from stac_asset.errors import ConfigError

_MARKS = {Level.OK: "ok", Level.NOTE: "--", Level.PROBLEM: "!!"}
_COLORS = {Level.OK: "green", Level.NOTE: "yellow", Level.PROBLEM: "red"}


async def doctor(directory: str, as_json: bool) -> int:
    """Check the installation, the machine and the credentials, and print the findings.

    Args:
        directory: The destination of downloads.
        as_json: Print JSON.

    Returns:
        1 if a finding is a problem, otherwise 0.
    """
    findings = list(package_findings())
    config = Config()
    try:
        config = Config.from_env()
        config.validate()
        findings.append(Finding("configuration", Level.OK, "The variables are valid."))
    except ConfigError as error:
        config = Config()
        cure = "Correct or remove the variable."
        findings.append(Finding("configuration", Level.PROBLEM, str(error), cure))
    findings += [finding async for finding in credential_findings(config)]
    findings += machine_findings(directory, config)
    findings += added_findings()
    findings = [_as_typed(finding) for finding in findings]
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _print(finding)
    return int(any(finding.level is Level.PROBLEM for finding in findings))


def _as_typed(finding: Finding) -> Finding:
    """Return a finding with the options and variables of the command line."""
    text, cure = as_typed(finding.text), as_typed(finding.cure)
    return dataclasses.replace(finding, text=text, cure=cure)


def _print(finding: Finding) -> None:
    mark = colored(_MARKS[finding.level], _COLORS[finding.level])
    click.echo(f"{mark} {printable(finding.check)}: {printable(finding.text)}")
    if finding.cure:
        click.echo(f"   {printable(finding.cure)}")
