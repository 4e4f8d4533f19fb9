"""A pointer that programs of the playbook read and move."""
