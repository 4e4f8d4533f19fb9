"""Whether rows keep flowing while green's schema differs from blue's, both ways.

`rules/analyse.py` gives verdicts from two catalogs and what probes saw; `text/trees.py`
gives them from the migration's text alone, and says UNKNOWN where that is not enough.
"""
