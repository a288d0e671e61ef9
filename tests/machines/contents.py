"""What is visible in a directory or a bucket that several servers serve, as another program sees it."""

from __future__ import annotations

import os
import random

import xxhash

RESERVED = ".secftp-"


def digest(data):
    return xxhash.xxh128(data).hexdigest()


def make_file(path, size, seed):
    """Write a file of pseudo-random bytes; its digest."""
    data = random.Random(seed).randbytes(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digest(data)


def make_tree(path, small, seed, large=()):
    """Write a tree of small files in some directories, and large ones; digests by relative name."""
    chance = random.Random(seed)
    sizes = {f"d{number % 7}/{number}": chance.randrange(6000) for number in range(small)}
    sizes |= {f"large-{number}": size for number, size in enumerate(large)}
    return {name: make_file(path / name, size, f"{seed} {name}") for name, size in sizes.items()}


class DirectoryContents:
    """The files beneath a directory that have no reserved names."""

    def __init__(self, root):
        self._root = root

    def versions(self):
        """Each visible file with what changes when it is replaced."""
        found = {}
        for directory, directories, names in os.walk(self._root):
            directories[:] = [name for name in directories if not name.startswith(RESERVED)]
            for name in names:
                path = os.path.join(directory, name)
                if name.startswith(RESERVED):
                    continue
                try:
                    status = os.stat(path, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # replaced or removed meanwhile
                found[os.path.relpath(path, self._root)] = (status.st_ino, status.st_size, status.st_mtime_ns)
        return found

    def read(self, name):
        """The contents of a file, None if it is not there."""
        try:
            with open(os.path.join(self._root, name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def leftovers(self):
        """The reserved names, files and directories."""
        return sorted(
            os.path.relpath(os.path.join(directory, name), self._root)
            for directory, directories, names in os.walk(self._root)
            for name in (*directories, *names)
            if name.startswith(RESERVED)
        )


class BucketContents:
    """The objects of a bucket that have no reserved names."""

    def __init__(self, bucket):
        self._bucket = bucket

    def versions(self):
        pages = self._bucket.client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket.name)
        items = [item for page in pages for item in page.get("Contents", [])]
        return {item["Key"]: (item["ETag"], item["Size"]) for item in items if not _is_reserved(item["Key"])}

    def read(self, name):
        try:
            return self._bucket.get(name)
        except self._bucket.client.exceptions.NoSuchKey:
            return None

    def leftovers(self):
        """The keys under reserved names, without those that belong to files: digests, markers of directories."""
        lasting = (".secftp-digest/", ".secftp-directory")
        return [key for key in self._bucket.keys("") if _is_reserved(key) and not any(word in key for word in lasting)]


def _is_reserved(key):
    return any(name.startswith(RESERVED) for name in key.split("/"))
