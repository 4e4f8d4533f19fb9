"""The steps of a playbook, one file each, and the contract they keep."""
