"""Internal: the steps that flows share: read sources, resolve clients, and run tasks on items."""
