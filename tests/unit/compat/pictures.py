"""Small catalogs to judge, written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bluegreen.compat.catalog import Catalog, Publication, Published
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Direction
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name

ORDERS: Name = ("shop", "Order Lines")
KEY = Index("orders_pkey", ("id",), unique=True, primary=True)


def column(name: str, type_: str = "integer", **more: Any) -> Column:
    full = more.pop("full_type", type_)
    return Column(name=name, type=full, plain_type=type_, **more)


def table(*columns: Column, **more: Any) -> Relation:
    more.setdefault("indexes", (KEY,))
    schema, name = more.pop("name", ORDERS)
    return Relation(more.pop("oid", 1), schema, name, columns=columns, **more)


def catalog(*relations: Relation, **more: Any) -> Catalog:
    named = {relation.qualified: relation for relation in relations}
    return Catalog(major=more.pop("major", 16), relations=named, **more)


def publish(sender: Catalog, **more: Any) -> Publication:
    listed = {
        name: Published(name, tuple(c.name for c in r.columns if not c.generated))
        for name, r in sender.relations.items()
        if r.kind == "table"
    }
    return replace(Publication("p", relations=listed), **more)


def stream(sender: Catalog, receiver: Catalog, **more: Any) -> Stream:
    more.setdefault("direction", Direction.FORWARD)
    more.setdefault("publication", publish(sender))
    return Stream(sender=sender, receiver=receiver, **more)
