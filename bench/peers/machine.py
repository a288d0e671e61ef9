"""Description of the environment: processor, its features, operating system, libraries, version of secftp.

Invariant: contains nothing that identifies the machine: no host name, user or path.
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
    """Return everything, as names and values."""
    from secftp import __version__
    from secftp.crypto import libcrypto_version

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
    """Return the name of the processor from /proc/cpuinfo, or what Python reports."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.processor() or platform.machine()


def cpu_features(cpuinfo: str) -> list[str]:
    """Return those of `FEATURES` that are in /proc/cpuinfo, in that order."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = found[1].split() if found else []
    return [feature for feature in FEATURES if feature in flags]


def short_release(release: str) -> str:
    """Return `6.1` for a kernel release `6.1.0-18-amd64`."""
    found = re.match(r"\d+(\.\d+)?", release)
    return found[0] if found else release


def cores() -> int:
    """Return the number of processors available to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def commit() -> str:
    """Return the abbreviated hash of HEAD, followed by `+` if product files are modified."""
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
