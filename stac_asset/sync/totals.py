"""Internal: the totals of the plan of a mirror, for dry runs of the library and of the flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from stac_asset.api.planned_rows import probed_action
from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.plan.reasons import Reason
from stac_asset.plan.summary import PlannedAsset, PlannedItem, PlanSummary, PlanTotals
from stac_asset.redact import redact_href
from stac_asset.transfer.host_limits import OpenConnection
from stac_asset.transfer.probe import ProbeResult, probe_all
from stac_asset.types import Failed, Transfer


class MirrorTotals:
    """The totals of a plan of a mirror.

    Args:
        totals: The totals, without items.
        clients: The clients of the run.
        config: The configuration, for the number of attempts.
        asks_sizes: Whether to ask sources for sizes that items do not declare.
        connect: Returns a connection to a host. By default, the requests have limits of their own.
    """

    def __init__(
        self,
        totals: PlanTotals,
        clients: Clients,
        config: Config,
        asks_sizes: bool,
        connect: OpenConnection | None = None,
    ) -> None:
        self._totals = totals
        self._clients = clients
        self._config = config
        self._asks_sizes = asks_sizes
        self._connect = connect

    async def add(self, prepared: Prepared) -> None:
        """Count an item that the run downloads.

        Args:
            prepared: The item.
        """
        key, reason = prepared.wanted.key, prepared.wanted.reason
        missing = {id(transfer) for transfer in prepared.missing}
        answers = await self._answers(prepared.missing) if self._asks_sizes else {}
        rows = chain.from_iterable(
            _rows(entry, reason if id(entry) in missing else Reason.PRESENT, answers)
            for entry in prepared.planned
        )
        assets = list(rows)
        is_failing = all(asset.action == "fail" for asset in assets) and bool(assets)
        self._totals.add(key.id, assets, key.collection, None if is_failing else reason)

    def summary(self, mirror: MirrorUpdate, on_removed: str) -> PlanSummary:
        """Return the plan, with the items that the run does not download.

        Args:
            mirror: The run of the mirror, after all items were chosen.
            on_removed: The value of `on_removed`.
        """
        for key in mirror.metadata_updates:
            item = PlannedItem(key.id, key.collection, Reason.METADATA.value, 0, 0)
            self._totals.add_item(item)
        reason = f"removed from the source: {on_removed}"
        for key in mirror.removed:
            self._totals.add_item(PlannedItem(key.id, key.collection, reason, 0, 0))
        self._totals.add_present(mirror.changes.unchanged)
        return self._totals.summary()

    async def _answers(self, transfers: list[Transfer]) -> dict[int, ProbeResult]:
        unknown = [transfer for transfer in transfers if transfer.size is None]
        found = await probe_all(unknown, self._clients, self._config, connect=self._connect)
        return {id(one): result for one, result in zip(unknown, found, strict=True)}


def _rows(
    entry: Transfer | Failed, reason: Reason, answers: dict[int, ProbeResult]
) -> Iterator[PlannedAsset]:
    """Yield the row of each asset of an entry of a mirror's plan."""
    if isinstance(entry, Failed):
        yield PlannedAsset(entry.owner, entry.key, "fail", note=str(entry.error))
        return
    row = PlannedAsset(
        entry.owner,
        entry.key,
        "skip" if reason is Reason.PRESENT else "download",
        redact_href(entry.candidates[0].href),
        path=entry.path,
        size=entry.size,
        reason=reason,
    )
    answer = answers.get(id(entry))
    if answer is not None:
        action, note = probed_action(answer)
        size = answer.stat.size if answer.stat is not None else None
        row = replace(row, action=action, note=note, size=size)
        row = replace(row, reason=None) if action == "fail" else row
    yield row
    for key in entry.shared_with:
        yield replace(row, key=key, action="fail" if row.action == "fail" else "skip")
