"""Whether rows keep flowing while green's schema differs from blue's, both ways.

`judge.judge` gives verdicts from two catalogs and what probes saw; `trees.judge_trees`
gives them from the migration's text alone, and says UNKNOWN where that is not enough.
"""
