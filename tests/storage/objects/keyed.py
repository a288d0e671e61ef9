"""A bucket in memory that has any keys: also those with a slash at the end, as consoles make them, and invalid ones.

obstore's own store in memory has only keys that obstore can name. Listings are in pages, as S3 has them.
"""

from __future__ import annotations

from secftp.errors import NotFound
from secftp.storage.objects.bucket import ObjectInfo, Page, UnservableName


class KeyedBucket:
    """`keys`: of the objects, with the number of bytes of each. `requests`: how often each method was called."""

    url = place = "memory://"
    prefix_bytes = 0
    max_copy = None
    ways_to_copy = ("native",)

    def __init__(self, keys, *, page=1000, sorted_listings=True):
        self._sizes = dict(keys)
        self._page = page
        self.has_sorted_listings = sorted_listings
        self.requests = {"info": 0, "list": 0, "list_directory": 0}

    def info(self, key):
        self.requests["info"] += 1
        if key.text not in self._sizes or key.text.endswith("/"):
            raise NotFound("No such file")
        return ObjectInfo(key.text, self._sizes[key.text], '"e"', 1, {"secftpmtime": "7"})

    def has_below(self, prefix, path):
        return any(page.objects for page in self.list(prefix, path))

    def list(self, prefix, path, *, offset=None):
        found = sorted((key for key in self._sizes if key.startswith(prefix)), key=str.encode)
        if offset is not None:
            found = [key for key in found if key.encode() > offset.encode()]
        for at in range(0, len(found), self._page):
            self.requests["list"] += 1
            yield Page([self._listed(key) for key in found[at : at + self._page]], [])

    def list_directory(self, prefix, path):
        self.requests["list_directory"] += 1
        below = {key[len(prefix) :] for key in self._sizes if key.startswith(prefix)}
        objects = [prefix + rest for rest in below if "/" not in rest]
        prefixes = {prefix + rest.partition("/")[0] for rest in below if "/" in rest}
        for text in prefixes:
            if text.endswith("/") or not text:
                raise UnservableName("invalid")
        return Page([self._listed(key) for key in objects], sorted(prefixes))

    def _listed(self, key):
        name = key.removesuffix("/")
        if "//" in name or name.startswith("/") or name.endswith("/") or "\x01" in name:
            raise UnservableName("invalid")
        return ObjectInfo(name, self._sizes[key], '"e"', 1)
