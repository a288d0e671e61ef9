"""Layers: permitted imports, and capabilities used in one place only (docs/ARCHITECTURE.md).

Each rule is a function from source text to findings, so that it can be tried on a text that breaks it: a rule that
finds nothing because it looks at nothing would be worse than none.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PACKAGE = TOP / "secftp"
ENTRIES = ("secftp.client", "secftp.server")

# What each layer may import beside itself, of secftp. `secftp.storage` knows names by the rule of the messages.
COMMON = {"secftp.errors", "secftp._version"}
LAYERS = {
    "secftp.errors": set(),
    "secftp._version": set(),
    "secftp.text": set(),
    "secftp.command_line": set(),
    "secftp.json_lines": {"secftp.text"},
    "secftp.url": set(),
    "secftp.hosts": {"secftp.keys", "secftp.text", "secftp.url"},
    "secftp.system": set(),
    "secftp.token_bucket": set(),
    "secftp.intervals": set(),
    "secftp.waits": set(),
    "secftp.safe_path": set(),
    "secftp.exposure": {"secftp.system"},
    "secftp.crypto": {"secftp._core"},
    "secftp.protocol": {"secftp.text", "secftp.token_bucket"},
    "secftp.protocol.handshake": {"secftp.crypto"},
    "secftp.keys": {"secftp.exposure", "secftp.protocol", "secftp.crypto", "secftp.text"},
    "secftp.storage": {"secftp.intervals", "secftp.protocol", "secftp.system", "secftp.text"},
    "secftp.transport": {
        "secftp.protocol.handshake",
        "secftp.protocol",
        "secftp.crypto",
        "secftp.system",
        "secftp.text",
        "secftp.token_bucket",
        "secftp.waits",
    },
    "secftp.transport.file_data": {
        "secftp.transport",
        "secftp.protocol",
        "secftp.storage",
        "secftp.text",
        "secftp.waits",
    },
    "secftp.session": {
        "secftp.transport",
        "secftp.transport.file_data",
        "secftp.protocol",
        "secftp.storage",
        "secftp.text",
        "secftp.waits",
    },
    "secftp.transfer": {
        "secftp.json_lines",
        "secftp.intervals",
        "secftp.transport",
        "secftp.transport.file_data",
        "secftp.protocol",
        "secftp.session",
        "secftp.storage",
        "secftp.text",
        "secftp.token_bucket",
        "secftp.waits",
    },
}
LAYERS["secftp.sync"] = {*LAYERS["secftp.transfer"], "secftp.transfer", "secftp.system"}
# The entries see everything but each other and what is for other people's programs.
LAYERS |= {entry: set(LAYERS) for entry in ENTRIES}
# The words that complete a command line of secftpd.
LAYERS["secftp.client.commands.completion"] = {*LAYERS["secftp.client"], *ENTRIES}
# That stands beside them, and has the engine of secftpd in one place.
LAYERS["secftp.api"] = {
    f"secftp.{layer}"
    for layer in (
        "crypto",
        "exposure",
        "hosts",
        "keys",
        "protocol",
        "session",
        "storage",
        "text",
        "transfer",
        "transport",
        "transport.file_data",
        "url",
        "waits",
    )
}
# The same interface for asyncio: that one's code, run by a driver that waits on an event loop.
LAYERS["secftp.aio"] = {*LAYERS["secftp.api"], "secftp.api", "secftp.waits"}
LAYERS["secftp.fsspec"] = {*LAYERS["secftp.api"], "secftp.api"}
LAYERS["secftp.api.filesystem"] = {"secftp.fsspec"}  # another name of it
LAYERS["secftp.api.server"] = {*LAYERS["secftp.api"], "secftp.api", "secftp.server"}
# A server for one delivery, which two commands of the client start, and nothing else in it.
LAYERS["secftp.sharing"] = {*LAYERS["secftp.api"], "secftp.server", "secftp.system", "secftp.intervals"}
LAYERS |= {
    f"secftp.client.commands.{verb}": {*LAYERS["secftp.client"], "secftp.client", "secftp.sharing"}
    for verb in ("share", "receive")
}
# The package itself sees everything but the entries: `python -m` would warn if it saw them.
LAYERS[PACKAGE.name] = set(LAYERS) - set(ENTRIES)

# Where a capability may be used: nowhere else.
ONLY = {
    "socket": ("secftp.transport", "secftp.aio.stream", "secftp.aio.network"),
    "_socket": (),
    "socketserver": (),
    "asyncio": ("secftp.aio",),
    "greenlet": ("secftp.aio.driver",),
    "ssl": (),
    "ctypes": ("secftp.system",),
    "_ctypes": (),
    "secftp._core": ("secftp.crypto.binding",),
    "pickle": (),
    "backports": ("secftp.transport.compression",),
    "compression": ("secftp.transport.compression",),
    "zstandard": (),
    "subprocess": ("secftp.hosts.key_command",),
    "tomlkit": ("secftp.hosts.edit",),
    "keyring": ("secftp.hosts.system_keyring",),
    "watchfiles": ("secftp.sync.local_changes",),
    "obstore": ("secftp.storage.objects.bucket", "secftp.storage.objects.credentials"),
    "boto3": (),
    "botocore": ("secftp.storage.objects.credentials",),
    "redis": ("secftp.server.shared.line",),
}
# Who may open anything by name: beside storage, keys their own files, hosts the user's file, the server its log, system
# /proc, the client the terminal and its log, and both programs the null device. What a user's transfer names is opened
# in storage alone.
OPENERS = {
    "secftp.storage", "secftp.keys.files", "secftp.keys.create", "secftp.hosts.trusted", "secftp.hosts.edit",
    "secftp.server.log_output", "secftp.system", "secftp.client.run_log",
    "secftp.client.completion.cache",
}  # fmt: skip
DEVICES = {
    "secftp.hosts.key_command": {"_TERMINAL"},
    "secftp.client.key": {"TERMINAL"},
    "secftp.client.terminal": {"os.devnull"},
    "secftp.client.__main__": {"os.devnull"},
    "secftp.server.__main__": {"os.devnull"},
}
OPENING = {"open", "io.open", "os.open", "os.fdopen", "codecs.open"}
OPENING_MODULES = {"tempfile", "shutil", "pathlib", "mmap", "fileinput"}


def module_name(path, top=TOP):
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def product():
    """Every module of the product with its source."""
    return {module_name(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def is_in(module, place):
    return module == place or module.startswith(place + ".")


def layer_of(module):
    """The layer a module stands on: the longest that its name begins with."""
    layers = (layer for layer in LAYERS if module == layer or (layer != PACKAGE.name and is_in(module, layer)))
    return max(layers, key=len, default=None)


def imports(module, source, packages=()):
    """Every module that a source imports, wherever in it: in functions, under TYPE_CHECKING, by name.

    `from a import b` counts as an import of a.b, which is the same layer if b is no module.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: len(module.split(".")) - node.level + (module in packages)]
                base = ".".join([*above, *([base] if base else [])])
            found += [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and dotted(node.func) in (
            "__import__",
            "import_module",
            "importlib.import_module",
        ):
            named = node.args and isinstance(node.args[0], ast.Constant)
            found.append(node.args[0].value if named else "a name that is computed")
    return found


def dotted(node):
    """`a.b.c` of an expression that is one; else the empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (value := dotted(node.value)):
        return f"{value}.{node.attr}"
    return ""


def packages():
    return {module_name(path) for path in PACKAGE.rglob("__init__.py")}


def upward_imports(module, source):
    """Imports of secftp that do not point downwards."""
    layer = layer_of(module)
    if layer is None:
        return [f"{module} belongs to no layer"]
    allowed = LAYERS[layer] | COMMON | {layer}
    return [
        f"{module} imports {imported}"
        for imported in imports(module, source, packages())
        if is_in(imported, "secftp") and (layer_of(imported) or imported) not in allowed
    ]


def misplaced_capabilities(module, source):
    """Imports of what only one place may use."""
    return [
        f"{module} imports {imported}"
        for imported in imports(module, source, packages())
        for capability, places in ONLY.items()
        if is_in(imported, capability) and not any(is_in(module, place) for place in places)
    ]


def opened_files(module, source):
    """Calls that open something by name where no module may."""
    if any(is_in(module, opener) for opener in OPENERS):
        return []
    found = [
        f"{module} imports {name}" for name in imports(module, source) if name.partition(".")[0] in OPENING_MODULES
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and dotted(node.func) in OPENING:
            subject = dotted(node.args[0]) if node.args else ""
            if subject not in DEVICES.get(module, ()):
                found.append(f"{module}:{node.lineno} calls {dotted(node.func)}({subject or '...'})")
    return found


RULES = [upward_imports, misplaced_capabilities, opened_files]


@pytest.mark.parametrize("rule", RULES)
def test_the_product_keeps_the_rule(rule):
    modules = product()
    assert len(modules) > 40, "the product is not where it was looked for"
    assert [finding for module, source in modules.items() for finding in rule(module, source)] == []


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (upward_imports, "secftp.crypto.frames", "from secftp.protocol.handshake import Status"),
        (upward_imports, "secftp.protocol.state", "def f():\n    from secftp.crypto import Suite"),
        (upward_imports, "secftp.protocol.state", "if TYPE_CHECKING:\n    import secftp.transport.stream"),
        (upward_imports, "secftp.storage.local", "from secftp import transfer"),
        (upward_imports, "secftp.storage.local", "from ..channel import Channel"),
        (upward_imports, "secftp.storage", "from ..channel import Channel"),
        (upward_imports, "secftp.transport.file_data", "from secftp.session import Session"),
        (upward_imports, "secftp.session", "from secftp.client import local_io"),
        (upward_imports, "secftp.client.local_io", "from secftp.server.log import Log"),
        (upward_imports, "secftp.server.log", "import secftp.client.terminal"),
        (upward_imports, "secftp.errors", "from secftp.text import escape"),
        (upward_imports, "secftp", "from secftp.client import options"),
        (upward_imports, "secftp.client.commands", "from secftp.api.client import connect"),
        (upward_imports, "secftp.server.server", "from secftp.api import server"),
        (upward_imports, "secftp.api.client", "from secftp.server.server import FileServer"),
        (upward_imports, "secftp.api.client", "from secftp.client import options"),
        (upward_imports, "secftp.api.server", "from secftp.client import options"),
        (upward_imports, "secftp.session", "from secftp.api.pool import Pool"),
        (upward_imports, "secftp.api.pool", "from secftp.aio.pool import AsyncPool"),
        (upward_imports, "secftp.transport.channel", "from secftp.transport import file_data"),
        (upward_imports, "secftp.transport.channel", "from secftp.transport.file_data import send_file"),
        (upward_imports, "secftp.protocol.state", "from secftp.protocol.handshake import ClientHandshake"),
        (upward_imports, "secftp.novelty", "import os"),
        (upward_imports, "secftp.transport.stream", "__import__('secftp.session')"),
        (upward_imports, "secftp.transport.stream", "importlib.import_module('secftp.session')"),
        (upward_imports, "secftp.transport.stream", "from secftp._core import lib"),
        (misplaced_capabilities, "secftp.server.server", "import socket"),
        (misplaced_capabilities, "secftp.server.server", "def f():\n    from socket import create_server"),
        (misplaced_capabilities, "secftp.channels", "import socket"),
        (misplaced_capabilities, "secftp.aio.client", "import socket"),
        (misplaced_capabilities, "secftp.api.pool", "import asyncio"),
        (misplaced_capabilities, "secftp.aio.stream", "import greenlet"),
        (misplaced_capabilities, "secftp.transport.stream", "import _socket"),
        (misplaced_capabilities, "secftp.storage.sink", "import ctypes.util"),
        (misplaced_capabilities, "secftp.crypto.frames", "from secftp import _core"),
        (misplaced_capabilities, "secftp.crypto.frames", "from secftp._core import lib"),
        (opened_files, "secftp.session", "open('x')"),
        (opened_files, "secftp.server.__main__", "with os.open(name, 0) as f:\n    pass"),
        (opened_files, "secftp.server.__main__", "os.open(options.key_file, 0)"),
        (opened_files, "secftp.client.key", "os.open(path, 0)"),
        (opened_files, "secftp.keys.key", "open(path)"),
        (opened_files, "secftp.client.local_io", "from pathlib import Path"),
        (opened_files, "secftp.client.local_io", "import io\nio.open('x')"),
    ],
)
def test_a_rule_finds_what_breaks_it(rule, module, source):
    assert rule(module, source), "the rule looks at nothing"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("secftp.client.commands", "from secftp.session import Session\nfrom secftp.client import options"),
        ("secftp.api.server", "from secftp.server.server import FileServer\nfrom secftp.api import arguments"),
        ("secftp.transport.connect", "import socket\nfrom secftp.errors import SecftpError"),
        ("secftp.crypto.binding", "from secftp import _core"),
        ("secftp.storage.local", "import os\nos.open(name, 0)\nfrom secftp import system"),
        ("secftp.client.key", "import os\nos.open(TERMINAL, 0)"),
        ("secftp.protocol.codec", "from . import bounds"),
    ],
)
def test_a_rule_lets_pass_what_keeps_it(module, source):
    assert [finding for rule in RULES for finding in rule(module, source)] == []


def test_every_layer_is_there():
    """A layer that was renamed would take its rules along into nothing."""
    modules = product()
    places = {place for places in ONLY.values() for place in places} | OPENERS | set(DEVICES)
    assert {layer for layer in {*LAYERS, *places} if layer != "secftp._core" and layer not in modules} == set()


def test_the_layers_have_no_cycle():
    done = set()
    while len(done) < len(LAYERS):
        free = {layer for layer in LAYERS if layer not in done and LAYERS[layer] - {"secftp._core"} <= done}
        assert free, f"a cycle among {set(LAYERS) - done}"
        done |= free


def imported_modules(sources):
    """Each module with the modules of the product that it imports anywhere: in functions and for types, too."""
    return {
        module: {found for name in imports(module, source, packages()) if (found := longest(name, sources))} - {module}
        for module, source in sources.items()
    }


def longest(name, modules):
    """The module that an imported name is in: `a.b.c` may be a module, or a name in the module `a.b`."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return "" if name == PACKAGE.name else name


def circles(sources):
    """Groups of modules that import each other, directly or through others."""
    graph = imported_modules(sources)
    reached = {}
    for module in graph:
        waiting, seen = list(graph[module]), set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph[name]
        reached[module] = seen
    return sorted(
        {
            tuple(sorted({module, *(n for n in seen if module in reached[n])}))
            for module, seen in reached.items()
            if module in seen
        }
    )


def test_no_modules_import_each_other():
    assert circles(product()) == []


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"secftp.a": "from secftp.b import x", "secftp.b": "from secftp import a"}, [("secftp.a", "secftp.b")]),
        (
            {"secftp.a": "if TYPE_CHECKING:\n    from secftp.b import X", "secftp.b": "def f():\n    import secftp.a"},
            [("secftp.a", "secftp.b")],
        ),
        (
            {
                "secftp.a": "import secftp.b",
                "secftp.b": "import secftp.c",
                "secftp.c": "import secftp.a",
                "secftp.d": "import secftp.a",
            },
            [("secftp.a", "secftp.b", "secftp.c")],
        ),
        ({"secftp.a": "import secftp.b", "secftp.b": "import os"}, []),
    ],
)
def test_circles_are_found(sources, found):
    assert circles(sources) == found


# --- what is not Python, and what is not the product ------------------------------------------------------------------

_OPENSSL = re.compile(r"#\s*include\s*[<\"]openssl/")


def test_openssl_is_included_in_csrc_alone():
    """Other places, none of them shipped: the tests' own seams, and what benchmarks measure the core beside."""
    includers = {
        str(path.relative_to(TOP))
        for directory in ("csrc", "secftp", "tests", "tools", "bench")
        for path in (TOP / directory).rglob("*.[ch]")
        if _OPENSSL.search(path.read_text()) and "cffi" not in path.read_text()[:200]
    }
    assert {place for place in includers if not place.startswith("csrc/")} <= {
        "tests/fuzz/native/frames.c",
        "tests/seamed/failing.h",
        "tests/seamed/seams.c",
        "tests/sanitize/secrets.c",
        "bench/native/native.c",
    }
    assert any(place.startswith("csrc/") for place in includers)


_SYSTEM_CALL = re.compile(r"\b(f?open|openat|f?printf|f?puts|read|write|send|recv|socket|system|execve?|getenv)\s*\(")
_NO_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"", re.DOTALL)


def test_the_c_core_does_no_input_or_output():
    sources = {path.name: path.read_text() for path in sorted((TOP / "csrc").glob("*.[ch]"))}
    assert len(sources) > 5
    found = {name: _SYSTEM_CALL.findall(_NO_CODE.sub("", source)) for name, source in sources.items()}
    assert {name: calls for name, calls in found.items() if calls} == {}
    assert _SYSTEM_CALL.findall("x = fopen (name);") == ["fopen"]


def foreign_to_the_model(module, source):
    """Imports of the product, or of a test that may use it."""
    found = imports(module, source, {"tests.model"})
    allowed = ("tests.model",)
    return [
        name
        for name in found
        if name.partition(".")[0] in ("secftp", "tests") and not any(is_in(name, place) for place in allowed)
    ]


def test_the_model_of_the_wire_never_sees_the_product():
    paths = sorted((TOP / "tests" / "model").glob("*.py"))
    assert len(paths) > 10
    assert [found for path in paths for found in foreign_to_the_model(module_name(path), path.read_text())] == []
    assert foreign_to_the_model("tests.model.aes", "def f():\n    from secftp import record")
    assert foreign_to_the_model("tests.model.aes", "from tests import serving")
    assert not foreign_to_the_model("tests.model.aes", "from tests.model import p256\nfrom . import rfc")


def test_the_product_needs_nothing_of_the_tests():
    assert [
        (module, imported)
        for module, source in product().items()
        for imported in imports(module, source, packages())
        if imported.partition(".")[0] in ("tests", "bench", "pytest", "tools", "build_ffi")
    ] == []
