"""Internal: the assets that `include` and `exclude` select.

`patterns` has the only decision whether an asset is selected. Downloads, plans, mirrors, audits and
documents use this decision.
"""
