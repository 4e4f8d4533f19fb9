"""Blue-green database cutover for PostgreSQL.

The floors of the house, and what may import what, stand in `docs/architecture.md`;
`tests/unit/test_floors.py` walks them.
"""

__version__ = "0.1.0"
