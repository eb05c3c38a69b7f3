"""The rules by which Citus sends a statement to one shard, checked on its text by PostgreSQL's own parser.

A statement on distributed tables is sent as a whole to one worker, without a two-phase commit, if it names
one bucket by a constant, reads no other table, and calls no function that each node answers differently.
"""

from collections.abc import Iterator, Sequence

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType
from pglast.stream import RawStream
from pglast.visitors import Visitor

#: Functions whose result depends on their arguments alone.
STEADY = {
    "coalesce",
    "count",
    "encode",
    "greatest",
    "json_build_array",
    "json_object_agg",
    "max",
    "to_json",
    "unnest",
}


class Rules:
    """Checks statements against the tables of a schema.

    Args:
        distributed: names of the distributed tables, and of the views on them.
        local: names of the tables that only the coordinator has.
    """

    def __init__(self, distributed: set[str], local: set[str]) -> None:
        self._distributed = distributed
        self._local = local

    def violations(self, statement: str) -> list[str]:
        """Return why Citus could not send a statement to one shard; nothing if it can."""
        (parsed,) = parse_sql(statement)
        found = _Statement(self._distributed, self._local)
        found(parsed.stmt)
        return found.violations()


class _Statement(Visitor):  # type: ignore[misc] - of pglast, which has no types
    """What one statement does, level by level."""

    def __init__(self, distributed: set[str], local: set[str]) -> None:
        super().__init__()
        self._distributed = distributed
        self._local = local
        self._ctes: set[str] = set()
        self._tables: set[str] = set()
        self._written: set[str] = set()
        self._functions: set[str] = set()
        self._buckets: set[str] = set()
        self._problems: list[str] = []

    def violations(self) -> list[str]:
        tables = self._tables - self._ctes
        spread = tables & self._distributed
        problems = [f"{name} is no known table" for name in sorted(tables - self._distributed - self._local)]
        if not spread:
            return problems
        problems += self._problems
        problems += [f"{name} is only on the coordinator" for name in sorted(tables & self._local)]
        problems += [f"{name} may be volatile" for name in sorted(self._functions - STEADY)]
        if len(self._buckets) > 1:
            problems.append(f"several buckets: {', '.join(sorted(self._buckets))}")
        return problems

    def visit_CommonTableExpr(self, _: object, node: ast.CommonTableExpr) -> None:  # noqa: N802
        self._ctes.add(node.ctename)

    def visit_RangeVar(self, _: object, node: ast.RangeVar) -> None:  # noqa: N802
        self._tables.add(node.relname)

    def visit_FuncCall(self, _: object, node: ast.FuncCall) -> None:  # noqa: N802
        self._functions.add(node.funcname[-1].sval)

    def visit_SQLValueFunction(self, _: object, node: ast.SQLValueFunction) -> None:  # noqa: N802
        self._functions.add(RawStream()(node))

    def visit_SelectStmt(self, _: object, node: ast.SelectStmt) -> None:  # noqa: N802
        self._level(node.fromClause or (), node.whereClause)

    def visit_UpdateStmt(self, _: object, node: ast.UpdateStmt) -> None:  # noqa: N802
        self._level((node.relation, *(node.fromClause or ())), node.whereClause)

    def visit_DeleteStmt(self, _: object, node: ast.DeleteStmt) -> None:  # noqa: N802
        self._level((node.relation, *(node.usingClause or ())), node.whereClause)

    def visit_InsertStmt(self, _: object, node: ast.InsertStmt) -> None:  # noqa: N802
        if node.relation.relname not in self._distributed:
            return
        names = [column.name for column in node.cols or ()]
        if "bucket" not in names:
            self._problems.append(f"the insert into {node.relation.relname} does not list the bucket")
            return
        place = names.index("bucket")
        select = node.selectStmt
        rows = select.valuesLists or ([target.val for target in select.targetList or ()],)
        for row in rows:
            self._note(node.relation.relname, _constant(row[place]))

    def _level(self, sources: Sequence[ast.Node], where: ast.Node | None) -> None:
        """Find the bucket of each distributed table of one query."""
        conditions = [*_conjuncts(where)]
        relations: list[ast.RangeVar] = []
        for source in sources:
            _walk(source, relations, conditions)
        for relation in relations:
            if relation.relname in self._distributed:
                alias = relation.alias.aliasname if relation.alias else relation.relname
                values = [_bucket(condition, alias, alone=len(relations) == 1) for condition in conditions]
                self._note(relation.relname, next((value for value in values if value), None))

    def _note(self, table: str, bucket: str | None) -> None:
        if bucket is None:
            self._problems.append(f"the bucket of {table} is not a constant")
        else:
            self._buckets.add(bucket)


def _walk(source: ast.Node, relations: list[ast.RangeVar], conditions: list[ast.Node]) -> None:
    """Gather the tables of a FROM clause and the conditions of its joins; subqueries are own levels."""
    if isinstance(source, ast.RangeVar):
        relations.append(source)
    elif isinstance(source, ast.JoinExpr):
        _walk(source.larg, relations, conditions)
        _walk(source.rarg, relations, conditions)
        conditions += _conjuncts(source.quals)


def _conjuncts(condition: ast.Node | None) -> Iterator[ast.Node]:
    """Give the parts of a condition that must all be true."""
    if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
        for part in condition.args:
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


def _bucket(condition: ast.Node, alias: str, *, alone: bool) -> str | None:
    """Return the constant that a condition compares the bucket of a table with; None if it does not."""
    if not (isinstance(condition, ast.A_Expr) and condition.kind == A_Expr_Kind.AEXPR_OP):
        return None
    if condition.name[-1].sval != "=":
        return None
    for column, value in ((condition.lexpr, condition.rexpr), (condition.rexpr, condition.lexpr)):
        if isinstance(column, ast.ColumnRef):
            name = [getattr(part, "sval", "*") for part in column.fields]
            if name == [alias, "bucket"] or (alone and name == ["bucket"]):
                return _constant(value)
    return None


def _constant(value: ast.Node) -> str | None:
    """Return the text of a parameter or constant; None if it is anything else."""
    inner = value.arg if isinstance(value, ast.TypeCast) else value
    return RawStream()(inner) if isinstance(inner, ast.ParamRef | ast.A_Const) else None
