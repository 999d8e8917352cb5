"""Names of the states of flow runs and task runs, and a description of each state.

`docs/reference/states.md` is generated from `STATES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

SKIPPED = "Skipped"
WARNED = "Warned"
COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"

BUDGET_REACHED = "BudgetReached"
"""Name of the final state of a flow that left items for the next run because of a budget."""

NOTHING_NEW = "NothingNew"
"""Name of the final state of a run without new, changed or removed items."""

DRY_RUN = "DryRun"
"""Name of the final state of a dry run."""

REPAIRED = "Repaired"
"""Name of the final state of a run that repaired all bad files or differences."""

NOT_APPROVED = "NotApproved"
"""Name of the final state of a run that a person refused."""

SUCCESSFUL = ("Completed", NOTHING_NEW, REPAIRED, COMPLETED_WITH_WARNINGS)
"""Names of the final states of successful flow runs, without dry runs."""

ENDED = (
    *SUCCESSFUL,
    DRY_RUN,
    BUDGET_REACHED,
    NOT_APPROVED,
    "Suspended",
    "Failed",
    "Crashed",
    "TimedOut",
    "Cancelling",
    "Cancelled",
)
"""Names of the states of flow runs without transfers."""

KindOfRun: TypeAlias = Literal["flow run", "task run", "both"]


@dataclass(frozen=True, slots=True)
class StateDescription:
    """Description of a state.

    Args:
        name: The name, which Prefect's UI shows.
        type: Prefect's type of the state. Automations can react to names and to types.
        runs: The kind of runs that have the state.
        when: When a run has the state.
        action: The recommended action of an operator.
    """

    name: str
    type: str
    runs: KindOfRun
    when: str
    action: str


_NONE = "None."

STATES = (
    StateDescription(
        "Completed", "COMPLETED", "both", "All assets are downloaded or already present.", _NONE
    ),
    StateDescription(
        SKIPPED, "COMPLETED", "both", "All files of the task, or of a share, exist already.", _NONE
    ),
    StateDescription(
        WARNED,
        "COMPLETED",
        "task run",
        "An asset failed, and `warn` is set.",
        "Read the message of the state. The next run tries the asset again.",
    ),
    StateDescription(
        COMPLETED_WITH_WARNINGS,
        "COMPLETED",
        "flow run",
        "Assets failed, or an audit found differences, and `warn` is set.",
        "Read the artifact `stac-asset-failures` or `stac-asset-audit`.",
    ),
    StateDescription(
        NOTHING_NEW,
        "COMPLETED",
        "flow run",
        "A mirror has no new, changed, retried or removed items, or a dry run has nothing to plan.",
        "None. If the first run of a mirror has this state, check the search.",
    ),
    StateDescription(
        DRY_RUN,
        "COMPLETED",
        "flow run",
        "A dry run has planned downloads or changes. No file is written.",
        "Read the artifact `stac-asset-plan`, and start the run without `dry_run`.",
    ),
    StateDescription(
        BUDGET_REACHED,
        "COMPLETED",
        "flow run",
        "A budget is used up, and items are left for a later run.",
        "None. A later run continues. Raise the budget if this happens in every run.",
    ),
    StateDescription(
        REPAIRED,
        "COMPLETED",
        "flow run",
        "`verify` or `audit` has repaired all bad files or differences.",
        "None. Check the disk if files are damaged again.",
    ),
    StateDescription(
        "Failed",
        "FAILED",
        "both",
        "An asset failed, the source cannot be read, or the destination cannot be written.",
        "Read the message of the state: the message ends with an instruction.",
    ),
    StateDescription(
        "TimedOut",
        "FAILED",
        "both",
        "A source sent no bytes until all attempts were used up, or a flow exceeded its "
        "`timeout_seconds`.",
        "Start the run again: part files are resumed. Raise `http_read_timeout` for a source that "
        "prepares files first.",
    ),
    StateDescription(
        "Cancelled",
        "CANCELLED",
        "both",
        "A person cancelled the run, `make down` stopped the run, another asset failed and "
        "`fail_fast` is set, or another run of the deployment is in progress.",
        "Start the run again: part files are resumed.",
    ),
    StateDescription(
        NOT_APPROVED,
        "CANCELLED",
        "flow run",
        "A person refused the plan of a run with `approve_above`.",
        "Select fewer items, or raise the limits.",
    ),
    StateDescription(
        "Cancelling",
        "CANCELLING",
        "flow run",
        "A person cancelled the run, and its worker stops the process.",
        "Wait. If no worker is online, start a worker.",
    ),
    StateDescription(
        "Crashed",
        "CRASHED",
        "both",
        "The process of the run was killed, or could not start.",
        "Read the log of the worker. The next run resumes the part files.",
    ),
    StateDescription(
        "AwaitingRetry",
        "SCHEDULED",
        "task run",
        "The task failed with a transient error, and waits for the next of its `retries`.",
        _NONE,
    ),
    StateDescription(
        "Retrying", "RUNNING", "task run", "The task runs again after a transient error.", _NONE
    ),
    StateDescription(
        "Suspended",
        "PAUSED",
        "flow run",
        "A run of a deployment is above `approve_above`, and waits for an answer.",
        "Read the artifact `stac-asset-plan`, and approve or refuse the run in the UI.",
    ),
    StateDescription(
        "Paused",
        "PAUSED",
        "flow run",
        "A run without a deployment, or a subflow, is above `approve_above`.",
        "Read the artifact `stac-asset-plan`, and approve or refuse the run in the UI.",
    ),
    StateDescription(
        "Late",
        "SCHEDULED",
        "flow run",
        "No worker has started the run at its scheduled time.",
        "Start a worker, or resume the work pool.",
    ),
    StateDescription(
        "Pending",
        "PENDING",
        "both",
        "The process of the run starts.",
        "If the state stays, read the log of the worker.",
    ),
    StateDescription(
        "AwaitingConcurrencySlot",
        "SCHEDULED",
        "flow run",
        "As many runs of the deployment are in progress as its concurrency limit allows.",
        "Wait for the other runs.",
    ),
)
"""All states that runs of this package can have for longer than a moment, except Running."""
