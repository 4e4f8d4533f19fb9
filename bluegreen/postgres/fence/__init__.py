"""The fence of a side, and the commit point that opens the other one."""
