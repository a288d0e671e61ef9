"""Sphinx directives that generate the reference of the command lines from their parsers.

`verb` takes the name of a client command, `server` nothing. Both give usage, description, options and examples.
"""

from __future__ import annotations

from argparse import SUPPRESS
from typing import TYPE_CHECKING, ClassVar

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    import argparse

    from sphinx.application import Sphinx


class VerbDirective(SphinxDirective):
    """Reference of a client command."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the document nodes."""
        from secftp.client.commands import load

        return _described(load(self.arguments[0]).parser())


class ServerDirective(SphinxDirective):
    """Reference of the server."""

    def run(self) -> list[nodes.Node]:
        """Return the document nodes."""
        from secftp.server.parser import make_parser

        return _described(make_parser())


class GeneralDirective(SphinxDirective):
    """Output of `secftp --help`."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Return the document nodes."""
        from secftp.client.commands import HELP

        return [nodes.literal_block(HELP, HELP, language="text")]


def _described(parser: argparse.ArgumentParser) -> list[nodes.Node]:
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    found: list[nodes.Node] = [nodes.literal_block(usage, usage, language="text")]
    found += _paragraphs(parser.description or "")
    for group in parser._action_groups:  # noqa: SLF001 (argparse has no public accessor)
        actions = [action for action in group._group_actions if action.help not in (None, SUPPRESS)]  # noqa: SLF001
        if actions:
            found.append(nodes.definition_list("", *(_item(action) for action in actions)))
    if parser.epilog:
        text = parser.epilog.strip("\n")
        found.append(nodes.literal_block(text, text, language="text"))
    return found


def _item(action: argparse.Action) -> nodes.Node:
    value = "" if action.nargs == 0 or not action.option_strings else f" {action.metavar or action.dest.upper()}"
    names = [name + value for name in action.option_strings] or [str(action.metavar or action.dest)]
    term = nodes.term("", "")
    for number, name in enumerate(names):
        term += [nodes.Text(", ")] * bool(number) + [nodes.literal(name, name)]
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    return nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph(text, text)))


def _paragraphs(text: str) -> list[nodes.Node]:
    return [nodes.paragraph(part, part) for part in text.split("\n\n") if part.strip()]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("verb", VerbDirective)
    app.add_directive("server", ServerDirective)
    app.add_directive("general-help", GeneralDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
