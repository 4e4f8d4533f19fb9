"""Files that let `decommission --if-due` be started by a scheduler."""
