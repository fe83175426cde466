"""Insert, or update what is there: the one statement that each engine writes differently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import SyntaxExtension, coercions, roles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter, ClauseElement
from sqlalchemy.sql.visitors import InternalTraversal


def upsert(
    table: Table,
    values: Mapping[str, Any] | None,
    index_elements: Sequence[str],
    set_: Mapping[str, Any] | Sequence[str],
) -> Insert:
    """An insert that updates the row which is there already.

    Args:
        table: where.
        values: the new row, by column name; None where the rows are given when it is executed.
        index_elements: the columns of the unique key that decides whether a row is there. MySQL takes
            any unique key of the table instead: give the table no second one.
        set_: what to change in a row that is there: names of columns, which take the new row's
            values, or values and expressions by column name (`{"count": table.c.count + 1}`).

    Returns:
        A statement to execute; nothing is sent here.

    Raises:
        ValueError: a name is not a column, or nothing is to be changed.
    """
    changes = dict(set_) if isinstance(set_, Mapping) else {}
    copied = [] if isinstance(set_, Mapping) else list(set_)
    unknown = [n for n in (*index_elements, *changes, *copied) if n not in table.c]
    if unknown:
        raise ValueError(f"{table.name} has no columns {unknown}")
    if not changes and not copied:
        raise ValueError("an upsert must change something in the row that is there")
    statement = insert(table) if values is None else insert(table).values(values)
    return statement.ext(_OnClash(table, index_elements, changes, copied))


class _OnClash(SyntaxExtension, ClauseElement):
    """What follows the values of an upsert."""

    inherit_cache = False
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy's protocol for keys of compiled statements
        ("index_elements", InternalTraversal.dp_string_list),
        ("copied", InternalTraversal.dp_string_list),
        ("changes", InternalTraversal.dp_dml_values),
    ]

    def __init__(
        self,
        table: Table,
        index_elements: Iterable[str],
        changes: Mapping[str, Any],
        copied: Iterable[str],
    ) -> None:
        self.index_elements = list(index_elements)
        self.copied = list(copied)
        self.changes: dict[str, ColumnElement[Any]] = {
            name: _typed(table, name, value) for name, value in changes.items()
        }

    def apply_to_insert(self, insert_stmt: Insert) -> None:
        """Puts itself behind the values; called by SQLAlchemy."""
        insert_stmt.apply_syntax_extension_point(self.append_replacing_same_type, "post_values")


def _typed(table: Table, name: str, value: object) -> ColumnElement[Any]:
    expression: ColumnElement[Any] = coercions.expect(
        roles.ExpressionElementRole, value, type_=table.c[name].type, is_crud=True
    )
    if isinstance(expression, BindParameter) and expression.type._isnull:  # noqa: SLF001
        expression = expression._with_binary_element_type(table.c[name].type)  # noqa: SLF001
    return expression


@compiles(_OnClash, "sqlite")
def _for_sqlite(clash: _OnClash, compiler: SQLCompiler, **kw: Any) -> str:
    quoted = compiler.preparer.quote
    target = ", ".join(quoted(name) for name in clash.index_elements)
    copied = [f"{quoted(name)} = excluded.{quoted(name)}" for name in clash.copied]
    return f"ON CONFLICT ({target}) DO UPDATE SET {', '.join(copied + _changed(clash, compiler))}"


@compiles(_OnClash, "mysql")
@compiles(_OnClash, "mariadb")
def _for_mysql(clash: _OnClash, compiler: SQLCompiler, **kw: Any) -> str:
    quoted = compiler.preparer.quote
    copied = [f"{quoted(name)} = VALUES({quoted(name)})" for name in clash.copied]
    return f"ON DUPLICATE KEY UPDATE {', '.join(copied + _changed(clash, compiler))}"


def _changed(clash: _OnClash, compiler: SQLCompiler) -> list[str]:
    return [
        f"{compiler.preparer.quote(name)} = "
        f"{compiler.process(value.self_group(), include_table=True, is_upsert_set=True)}"
        for name, value in clash.changes.items()
    ]
