"""Links from code to the reference: wherever a page or a docstring names something public, its text leads there.

In docstrings, text in single backticks is code (`default_role`), as in Markdown. Code that is the name of something
public becomes a link: `secftp.Client`, `NotFound`, `Client.put`, also `put` within the class. Names that are not
documented are warnings of `nitpicky`, so no link is dead.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

MODULES = ("secftp", "secftp.aio", "secftp.fsspec.filesystem")
# What stands before and after a name in code that is still only the name.
CALL = re.compile(r"(.+?)(?:\(.*\))?", re.DOTALL)


def public_names() -> dict[str, str]:
    """Return what code may say, and the name in the reference that it stands for."""
    found: dict[str, str] = {}
    for module in MODULES:
        for full in _names_of(module):
            found[full] = full
            short = full.removeprefix(f"{module}.")
            if short[0].isupper() or "." in short:
                found.setdefault(short, full)
    return found


def _names_of(module: str) -> Iterator[str]:
    try:
        loaded = importlib.import_module(module)
    except ImportError:  # without the extra
        return
    for name in loaded.__all__:
        if not name.startswith("_"):
            yield f"{module}.{name}"
            yield from (f"{module}.{name}.{member}" for member in _members(getattr(loaded, name)))


def _members(thing: Any) -> Iterator[str]:
    if not isinstance(thing, type) or issubclass(thing, BaseException):
        return
    for member in dir(thing):
        value = inspect.getattr_static(thing, member)
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        is_ours = inspect.isfunction(function) and function.__module__.startswith("secftp.")
        if is_ours and not member.startswith("_"):
            yield member


class LinkNames(SphinxTransform):
    """Turns code that names something public into a reference to it."""

    default_priority = 5

    def apply(self, **_: Any) -> None:
        """Turn the code of one document."""
        names = self.app.crosslink_names  # type: ignore[attr-defined]
        for literal in list(self.document.findall(nodes.literal)):
            if _is_linked(literal):
                continue
            text = CALL.fullmatch(literal.astext())[1]  # type: ignore[index]
            target = names.get(text) or names.get(f"{_class_of(literal)}.{text}")
            if target is not None:
                link = addnodes.pending_xref("", literal.deepcopy(), refdomain="py", reftype="obj", reftarget=target)
                link["refwarn"] = True
                link["refexplicit"] = False
                link["refdoc"] = self.env.docname
                literal.replace_self(link)


def _is_linked(node: nodes.Node) -> bool:
    kinds = (addnodes.pending_xref, nodes.reference, nodes.title, addnodes.desc_signature)
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def _class_of(node: nodes.Node) -> str:
    """Return the class that the text describes, or that of the method that it describes; empty if there is none."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, addnodes.desc):
            signature = parent.next_node(addnodes.desc_signature)
            full = signature.get("fullname", "") if signature is not None else ""
            return str(full.partition(".")[0])
        parent = parent.parent
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.crosslink_names = public_names()  # type: ignore[attr-defined]
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
