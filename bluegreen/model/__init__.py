"""The ground floor: values and verdicts, pure, standard library and pydantic only."""
