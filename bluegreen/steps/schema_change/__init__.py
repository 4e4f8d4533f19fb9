"""What makes a schema change on green one that blue can live beside.

One file for each way to change a schema in phases; the steps `migrate` and
`decommission` put them in order.
"""
