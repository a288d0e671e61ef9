"""The copy engine: files and whole trees over one session, many of them in flight at once."""

from secftp.copy.get import Get, get
from secftp.copy.options import CopyOptions, Remote
from secftp.copy.put import Put, put
from secftp.copy.watch import Silent, Summary, Watcher

__all__ = ["CopyOptions", "Get", "Put", "Remote", "Silent", "Summary", "Watcher", "get", "put"]
