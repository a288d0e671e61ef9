"""Docstrings of the public names: every parameter with its type and default, every result, every exception."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import subprocess
import sys

import pytest

import secftp
from secftp.transfer.options import COMMAND_LINE, CommandLineOption

SECTIONS = ("Args", "Returns", "Yields", "Raises", "Example", "Attributes")
ITEM = re.compile(r"(\*{0,2}\w+) \((.+?)(?:, default (.+?))?\): \S.*")
EXCEPTION = re.compile(r"(\w+): \S.*")

# The words for an annotation, where they are not the annotation itself.
WORDS = {
    "RemotePath": "str, bytes or os.PathLike",
    "LocalPath": "str, bytes or os.PathLike",
    "str | bytes | os.PathLike[str]": "str, bytes or os.PathLike",
    "RemotePath | Iterable[RemotePath]": "str, bytes, os.PathLike or iterable of them",
    "LocalPath | Iterable[LocalPath]": "str, bytes, os.PathLike or iterable of them",
    "Cipher": "str",
    "ObjectTimes": "str",
    "ReadableBuffer": "bytes-like object",
    "WriteableBuffer": "writable bytes-like object",
    "OnProgress": "callable",
    "OnError": "callable",
    "OnSkip": "callable",
    "OnBytes": "callable",
    "OnWalkError": "callable",
    "OnFileError": "str",
    "Iterable[RemotePath]": "iterable of str, bytes or os.PathLike",
    "Iterable[tuple[RemotePath, int, int | None]]": "iterable of tuple",
    "Iterable[Cipher]": "iterable of str",
    "Iterable[Pattern]": "iterable of str or bytes",
    "tuple[str, ...]": "tuple of str",
}


def public_functions():
    """Yield what help() shows of the public names: functions, methods, properties, and constructors."""
    for name in secftp.__all__:
        thing = getattr(secftp, name)
        if inspect.isfunction(thing):
            yield name, thing, thing.__doc__
        elif isinstance(thing, type) and not issubclass(thing, BaseException):
            if "Args:" in (thing.__doc__ or ""):
                yield name, thing.__init__, thing.__doc__
            for member in dir(thing):
                found = inspect.getattr_static(thing, member)
                found = getattr(found, "__func__", None) or getattr(found, "fget", None) or found
                if not member.startswith("_") and inspect.isfunction(found) and found.__module__.startswith("secftp."):
                    yield f"{name}.{member}", found, found.__doc__


def is_property(name):
    kind, _, member = name.partition(".")
    return bool(member) and isinstance(inspect.getattr_static(getattr(secftp, kind), member), property)


FUNCTIONS = {name: (function, inspect.cleandoc(doc or "")) for name, function, doc in public_functions()}


def sections(doc):
    """Return the sections of a docstring, each as its items: the lines that are indented by one level, continued."""
    found: dict[str, list[str]] = {}
    current = None
    for line in doc.splitlines():
        head = re.fullmatch(r"(\w+):", line)
        if head and head[1] in SECTIONS:
            assert head[1] not in found
            current = found.setdefault(head[1], [])
        elif current is not None and line.startswith("     "):
            current[-1] += " " + line.strip()
        elif current is not None and line.strip():
            assert line.startswith("    "), f"text after a section: {line}"
            current.append(line.strip())
    return found


def words(annotation):
    """Return an annotation as the docstrings have it."""
    base = annotation.removesuffix(" | None")
    text = WORDS.get(base) or ("callable" if base.startswith("Callable") else ", ".join(base.split(" | ")))
    if base == annotation:
        head, comma, last = text.rpartition(", ")
        return text if " or " in text or not comma else f"{head} or {last}"
    return f"{text} or None" if text.startswith("str, bytes") else f"{text.replace(' or ', ', ')} or None"


def test_there_are_functions():
    assert len(FUNCTIONS) > 60


@pytest.mark.parametrize("name", [name for name, (_, doc) in FUNCTIONS.items() if "Args:" in doc])
def test_every_parameter_is_described_with_its_type_and_default(name):
    function, doc = FUNCTIONS[name]
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name not in ("self", "cls")]
    described = sections(doc).get("Args", [])
    items = [ITEM.fullmatch(item) for item in described]
    assert all(items), f"not of the form 'name (type, default X): Meaning.': {described}"
    assert [item[1] for item in items] == [each.name for each in parameters]
    for item, each in zip(items, parameters, strict=True):
        assert item[2] == words(each.annotation), f"the type of {each.name}"
        if each.default is each.empty:
            assert item[3] is None, f"{each.name} has no default"
        else:
            assert ast.literal_eval(item[3]) == each.default, f"the default of {each.name}"
        assert item[0].endswith((".", ":", "`"))


@pytest.mark.parametrize("name", [name for name, (_, doc) in FUNCTIONS.items() if "Raises:" in doc])
def test_every_exception_that_is_named_exists(name):
    for item in sections(FUNCTIONS[name][1])["Raises"]:
        found = EXCEPTION.fullmatch(item)
        assert found, f"not of the form 'Name: When.': {item}"
        kind = getattr(secftp, found[1], None) or getattr(builtins, found[1], None)
        assert isinstance(kind, type), f"{found[1]} is not public"
        assert issubclass(kind, BaseException)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_result_is_described(name):
    function, doc = FUNCTIONS[name]
    found = sections(doc)
    if is_property(name):
        assert not {"Args", "Returns"} & set(found)
        return
    signature = inspect.signature(function)
    assert ("Returns" in found or "Yields" in found) == (signature.return_annotation not in ("None", "NoReturn"))
    assert ("Args" in found) == (len(set(signature.parameters) - {"self", "cls"}) > 0)


@pytest.mark.parametrize("name", ["RemoteStat", "RemoteSpace", "RemoteEntry", "CopyProgress", "Summary"])
def test_every_attribute_is_described(name):
    kind = getattr(secftp, name)
    items = [ITEM.fullmatch(item) for item in sections(inspect.cleandoc(kind.__doc__))["Attributes"]]
    fields = inspect.signature(kind).parameters
    assert [item[1] for item in items] == list(fields)
    for item in items:
        annotation = str(kind.__annotations__[item[1]]).replace("AnyStr", "str | bytes").replace("_Digest", "bytes")
        assert item[2] == words(annotation)


def test_the_parameters_of_the_file_system_are_described():
    pytest.importorskip("fsspec")
    from secftp.fsspec.filesystem import SecftpFileSystem

    described = sections(inspect.cleandoc(SecftpFileSystem.__doc__))["Args"]
    parameters = list(inspect.signature(SecftpFileSystem.__init__).parameters.values())[1:]
    assert [item.split()[0].rstrip(":").lstrip("*") for item in described] == [each.name for each in parameters]
    for item, each in zip(described[:-1], parameters[:-1], strict=True):
        found = ITEM.fullmatch(item)
        assert each.default is each.empty or ast.literal_eval(found[3]) == each.default
        assert found[2] == words(each.annotation.replace(" | HeldKey", ""))


# --- the options of a copy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["put", "get"])
def test_the_options_of_a_copy_are_those_of_the_command_line(verb):
    """One text describes an option for `--help`, help() and the reference."""
    described = dict(item.split(" ", 1) for item in sections(FUNCTIONS[f"Client.{verb}"][1])["Args"])
    done = subprocess.run(
        [sys.executable, "-m", "secftp.client", verb, "--help"], capture_output=True, text=True, check=True
    )
    shown = " ".join(done.stdout.split())
    for name, option in COMMAND_LINE.items():
        assert option.flags[-1] + f" {option.metavar}" * (option.metavar is not None) in shown
        assert option.help in shown
        assert (name in described) == (verb == "put" or name != "follow_symlinks"), "a server serves no symlinks"
        if name in described:
            assert option.meaning.lower() in described[name].lower()
        assert "{" not in option.help + option.meaning


def test_an_option_may_be_described_differently_for_programs():
    option = CommandLineOption(("--x",), "use {N|so many} of them{, at most|}")
    assert option.help == "use N of them, at most"
    assert option.meaning == "use so many of them"
