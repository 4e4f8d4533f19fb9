"""What makes a schema change on green one that blue can live beside.

One file for each mitigation; the steps `migrate` and `decommission` put them in order.
"""
