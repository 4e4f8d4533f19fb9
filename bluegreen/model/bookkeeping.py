"""The tables in which migration tools remember what they ran: their names."""

from __future__ import annotations

BOOKKEEPING = frozenset(
    {
        "__diesel_schema_migrations",
        "__drizzle_migrations",
        "__EFMigrationsHistory",
        "_prisma_migrations",
        "_sqlx_migrations",
        "_yoyo_log",
        "_yoyo_migration",
        "_yoyo_version",
        "alembic_version",
        "ar_internal_metadata",
        "atlas_schema_revisions",
        "databasechangelog",
        "databasechangeloglock",
        "django_migrations",
        "doctrine_migration_versions",
        "flyway_schema_history",
        "goose_db_version",
        "knex_migrations",
        "knex_migrations_lock",
        "pgmigrations",
        "phinxlog",
        "refinery_schema_history",
        "schema_migrations",
        "SequelizeMeta",
    }
)
"""Tables by name, in any schema: of Rails, golang-migrate, dbmate, Alembic, Prisma,
Flyway, Liquibase, Knex, Django, Drizzle, Atlas and others. Names that an application
may well use itself, such as TypeORM's `migrations`, are for `exclude`."""
