"""Loads every kind of variable; `creation.py` chooses among them."""

from everflow._src.variables import ref_variable, resource_variable, specs  # noqa: F401
