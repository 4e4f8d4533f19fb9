"""A shop's database that looks real: schema, rows, and the orders that come in.

Owns the schema `shop` in a throw-away database. Its tables hold what makes a move
hard: an enum, jsonb, arrays, numeric, identity and serial columns, sequences that no
column owns, a partitioned table, views, triggers, foreign keys.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import psycopg

_HERE = Path(__file__).parent
_ITEMS_PER_ORDER = 2
# In the order of what refers to what. Everything follows from row numbers, so that
# two loads of one size are equal.
_ROWS = (
    """INSERT INTO shop.customers (email, name, country, profile, tags, created_at)
    SELECT 'customer' || n || '@example.com', 'Customer ' || n,
        (ARRAY['DE', 'FR', 'PL', 'JP', 'BR'])[1 + n %% 5],
        jsonb_build_object('newsletter', n %% 3 = 0, 'points', n %% 977),
        CASE WHEN n %% 10 = 0 THEN '{vip,"early bird"}'::text[] ELSE '{}' END,
        timestamptz '2024-01-01 00:00+00' + n * interval '11 minutes'
    FROM generate_series(1, %(customers)s) AS n""",
    """INSERT INTO shop.products (sku, name, price, attributes, stock)
    SELECT 'SKU-' || lpad(n::text, 6, '0'), 'Product ' || n, 1 + n %% 500 + 0.99,
        jsonb_build_object('colour', (ARRAY['blue', 'green', 'grey'])[1 + n %% 3],
            'weight_g', 50 + n %% 4000),
        1000000
    FROM generate_series(1, %(products)s) AS n""",
    """INSERT INTO shop.orders (customer_id, state, total, note, placed_at, updated_at)
    SELECT 1 + n %% %(customers)s,
        (enum_range(NULL::shop.order_state))[1 + n %% 6],
        10 + n %% 900 + 0.50,
        CASE WHEN n %% 7 = 0 THEN 'Please ring twice — naïve ☂ ' || n END,
        at, at
    FROM (SELECT n, timestamptz '2024-06-01 00:00+00' + n * interval '7 minutes' AS at
        FROM generate_series(1, %(orders)s) AS n) AS made""",
    """INSERT INTO shop.order_items (order_id, line, product_id, quantity, unit_price)
    SELECT o, l, 1 + (o * 7 + l) %% %(products)s, 1 + o %% 3, 5 + o %% 90
    FROM generate_series(1, %(orders)s) AS o, generate_series(1, %(items)s) AS l""",
    """INSERT INTO shop.payments (order_id, amount, method, paid_at)
    SELECT n, 10 + n %% 900 + 0.50, (ARRAY['card', 'invoice', 'transfer'])[1 + n %% 3],
        timestamptz '2024-06-01 01:00+00' + n * interval '7 minutes'
    FROM generate_series(1, %(orders)s) AS n WHERE n %% 8 <> 0""",
    """INSERT INTO shop.events (at, kind, body)
    SELECT timestamptz '2024-02-01 00:00+00' + n * interval '25 minutes',
        (ARRAY['login', 'search', 'basket'])[1 + n %% 3],
        jsonb_build_object('customer', 1 + n %% %(customers)s)
    FROM generate_series(1, %(events)s) AS n""",
)


def load(conninfo: str, *, orders: int = 60_000) -> int:
    """Make the shop and fill it; 60,000 orders are about 300,000 rows, 3 s.

    Args:
        conninfo: the database; it must have no schema `shop`.
        orders: how many orders; everything else follows from it. At least 60.

    Returns:
        How many rows were written.
    """
    sizes = {
        "customers": orders // 3,
        "products": orders // 30,
        "orders": orders,
        "items": _ITEMS_PER_ORDER,
        "events": orders // 2,
    }
    with psycopg.connect(conninfo) as session:
        session.execute((_HERE / "shop_schema.sql").read_bytes())
        rows = sum(session.execute(s.encode(), sizes).rowcount for s in _ROWS)
        session.execute((_HERE / "shop_keys.sql").read_bytes())
    with psycopg.connect(conninfo, autocommit=True) as session:
        session.execute("ANALYZE")
    return rows


def place_order(session: psycopg.Connection[Any], dice: random.Random) -> None:
    """Write one order with its items and payment, in the open transaction."""
    order = session.execute(
        "INSERT INTO shop.orders (customer_id, total, note)"
        " SELECT id, %s, %s FROM shop.customers WHERE id = %s RETURNING id",
        [dice.randint(10, 900), "by the ledger", dice.randint(1, 20)],
    ).fetchone()
    if order is None:
        raise LookupError("the shop is empty: load it first")
    session.execute(
        "INSERT INTO shop.order_items"
        " (order_id, line, product_id, quantity, unit_price)"
        " VALUES (%(order)s, 1, 1, 1, 7.00), (%(order)s, 2, 2, 3, 2.50)",
        {"order": order[0]},
    )
    session.execute(
        "INSERT INTO shop.payments (order_id, amount, method) VALUES (%s, 14.50, %s)",
        [order[0], dice.choice(["card", "invoice", "transfer"])],
    )
    session.execute("UPDATE shop.orders SET state = 'paid' WHERE id = %s", [order[0]])
