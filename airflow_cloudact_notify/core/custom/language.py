"""What of Jinja's language a custom template may use, and the counters that are built into it before it runs.

Nothing can be called and no attribute of a Python object can be reached, so what a template may do is what its filters
and operators may do. ``sandbox`` bounds those.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from airflow_cloudact_notify.core.errors import CustomTemplateError

MAX_TOKENS = 5_000
MAX_NODES = 1_500
"""Words, and parts of speech, of one template; a large HTML page that fills in fifty values has some three hundred."""
MAX_DEPTH = 30
MAX_BRANCHES = 100
"""``elif`` in one ``if``: Python nests them."""

EACH, JOINED, MADE, SEEN, FLAT = "_each", "_joined", "_made", "_seen", "_flat"
"""Filters that ``metered`` writes and no template can: it may not name them."""

VIEWS = ("items", "keys", "values")
"""What may be called, of a dict and without arguments; it becomes the filter of this name."""

_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.CondExpr),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
)
_WORDS = {
    nodes.Call: "a call; only .items(), .keys() and .values() can be called",
    nodes.Pow: "**",
    nodes.NSRef: "an assignment to an attribute",
    nodes.AssignBlock: "{% set %} as a block",
    nodes.FilterBlock: "{% filter %}",
    nodes.Scope: "{% autoescape %}",
    nodes.FromImport: "{% from %}",
    nodes.CallBlock: "{% call %}",
}


def check(template: nodes.Template, filters: Collection[str], tests: Collection[str]) -> None:
    """Refuse a template that uses what custom templates do not have.

    :raises CustomTemplateError: naming the line.
    """
    for count, (node, depth, line) in enumerate(_walk(template), 1):
        if count > MAX_NODES:
            raise CustomTemplateError(f"line {line}: it has more than {MAX_NODES:,} parts")
        if depth > MAX_DEPTH:
            raise CustomTemplateError(f"line {line}: it is nested deeper than {MAX_DEPTH} levels")
        if reason := _refusal(node, filters, tests):
            raise CustomTemplateError(f"line {line}: {reason}")


def _walk(template: nodes.Template) -> Iterator[tuple[nodes.Node, int, int]]:
    """Yield every node with its depth and line, without recursion: a hostile template nests thousands."""
    waiting: list[tuple[nodes.Node, int, int]] = [(template, 0, 1)]
    while waiting:
        node, depth, line = waiting.pop()
        line = node.lineno or line
        yield node, depth, line
        view = _view(node)
        children = [view] if view else node.iter_child_nodes()
        waiting.extend((child, depth + 1, line) for child in children)


def _refusal(node: nodes.Node, filters: Collection[str], tests: Collection[str]) -> str:
    match node:
        case nodes.Call() if _view(node):
            return ""
        case nodes.Filter() | nodes.Test() if node.dyn_args or node.dyn_kwargs:
            return "* and ** cannot be used in arguments"
        case nodes.Filter() if node.node is None or node.name not in filters:
            return f"there is no filter {node.name[:40]}; there are {', '.join(sorted(filters))}"
        case nodes.Test() if node.name not in tests:
            return f"there is no test {node.name[:40]}; there are {', '.join(sorted(tests))}"
    return _refusal_by_kind(node)


def _refusal_by_kind(node: nodes.Node) -> str:
    match node:
        case nodes.Name() if node.name.startswith("_") or node.name in ("self", "super"):
            return f"the name {node.name[:40]} cannot be used"
        case nodes.For() if node.recursive:
            return "a loop cannot be recursive"
        case nodes.If() if len(node.elif_) > MAX_BRANCHES:
            return f"more than {MAX_BRANCHES} branches"
        case _ if not isinstance(node, _ALLOWED):
            kind = type(node)
            return f"custom templates do not have {_WORDS.get(kind, f'{{% {kind.__name__.lower()} %}}')}"
    return ""


def _view(node: nodes.Node) -> nodes.Expr | None:
    """Return ``x`` of a call ``x.items()``, ``None`` for anything else."""
    if not isinstance(node, nodes.Call) or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
        return None
    method = node.node
    return method.node if isinstance(method, nodes.Getattr) and method.attr in VIEWS else None


def metered(template: nodes.Template) -> nodes.Template:
    """Return a checked template in which every loop, and every operation that makes or searches text, is counted."""
    return _Metered().visit(template)  # type: ignore[no-any-return]


class _Metered(NodeTransformer):
    """Jinja's transformer: it calls ``visit_`` and the name of a node's class."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = _filtered(EACH, node.iter)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        of = _view(node)
        if of is None:
            raise CustomTemplateError("a call that was not checked")
        return _filtered(node.node.attr, self.visit(of))  # type: ignore[attr-defined]

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(JOINED, nodes.List(node.nodes, lineno=node.lineno))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(MADE, node) if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filtered(SEEN, node.expr)
        return node

    def visit_Operand(self, node: nodes.Operand) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filtered(SEEN, node.expr)
        return node

    def visit_List(self, node: nodes.Expr) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(FLAT, node)

    visit_Dict = visit_List  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return node if node.ctx == "store" else self.visit_List(node)


def _filtered(name: str, value: nodes.Node) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)
