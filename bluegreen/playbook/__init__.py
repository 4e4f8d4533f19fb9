"""The user's file: its schema, its loading, its resolution into steps."""
