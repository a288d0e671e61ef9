"""What a figure depends on: processor, its AES, operating system, libraries, and what of secftp was measured.

Nothing that names a machine: no host, no user, no path.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
# Flags of /proc/cpuinfo that decide how fast encryption and checksums are, on x86 and on ARM.
FEATURES = ("aes", "vaes", "pclmulqdq", "vpclmulqdq", "sha_ni", "avx2", "avx512f", "pmull", "sha2", "sve2")


def facts() -> dict[str, str]:
    """All of it, as names and values for people."""
    from secftp import __version__
    from secftp.record import libcrypto_version

    text = _cpuinfo()
    return {
        "Date": dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%d"),
        "Processor": f"{cpu_model(text)}, {cores()} cores",
        "Features": " ".join(cpu_features(text)) or "unknown",
        "System": f"{platform.system()} {short_release(platform.release())}, {platform.machine()}",
        "Python": platform.python_version(),
        "libcrypto": libcrypto_version(),
        "secftp": f"{__version__}, commit {commit()}",
    }


def cpu_model(cpuinfo: str) -> str:
    """The processor's name from a /proc/cpuinfo, or what Python knows of it."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.processor() or platform.machine()


def cpu_features(cpuinfo: str) -> list[str]:
    """Those of `FEATURES` that a /proc/cpuinfo names, in that order."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = found[1].split() if found else []
    return [feature for feature in FEATURES if feature in flags]


def short_release(release: str) -> str:
    """`6.1` for a kernel's `6.1.0-18-amd64`: the rest is the maker's."""
    found = re.match(r"\d+(\.\d+)?", release)
    return found[0] if found else release


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def commit() -> str:
    """The short name of the commit that is checked out, `+` after it if product files differ from it."""
    name = _git("rev-parse", "--short=10", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "secftp", "csrc", "build_ffi.py")
    return f"{name}{'+' if changed else ''}" if name else "unknown"


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(["git", "-C", str(TOP), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
