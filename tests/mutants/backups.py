"""Mutants of backups, of exact targets and of lists of names."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CODEC = "tests/protocol/test_codec.py"
FILES = "tests/storage/test_backup.py"
COPIES = "tests/transfer/test_backups.py"
TARGETS = "tests/client/test_targets.py"
LISTS = "tests/client/test_files_from.py"

BACKUP = "secftp/storage/backup.py"
OWN = "secftp/server/own_names.py"

MUTANTS: list[Mutant] = [
    # --- backups ---
    mutant("backup-of-itself", BACKUP, "        if replaced is not None and _is_same(replaced, written):\n            return\n", "", FILES),
    mutant("backup-compared-by-size", BACKUP, "    done = 0\n    while done < size:\n        piece = os.pread(one", "    done = size\n    while done < size:\n        piece = os.pread(one", FILES),
    mutant("backup-leaves-the-name-free", BACKUP, "        os.link(name, temporary, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)\n", "        os.rename(name, temporary, src_dir_fd=directory, dst_dir_fd=directory)\n", FILES),
    mutant("backup-given-up-by-a-sweep", BACKUP, "            continue  # a sweep has removed it\n", "            return\n", FILES),
    mutant("backup-leaves-a-name-behind", BACKUP, "            remove_quietly(temporary, directory)  # it stays if", "            pass  # it stays if", FILES),
    mutant("backup-after-the-file", "secftp/storage/sink.py", "                if replaced is not None and self._options.backup is not None:\n                    self._keep_backup(self._options.backup)\n                self._publish()\n", "                self._publish()\n                if replaced is not None and self._options.backup is not None:\n                    self._keep_backup(self._options.backup)\n", FILES),
    mutant("backup-over-a-symlink", BACKUP, "dir_fd=directory, follow_symlinks=False).st_mode):\n            raise", "dir_fd=directory).st_mode):\n            raise", FILES),
    mutant("backup-with-a-reserved-name", BACKUP, "    check_last(backup)\n", "", FILES),
    mutant("backup-with-a-name-of-python", OWN, "    if options.backup is not None and path:\n", "    if options.backup is not None and not path:\n", FILES),
    mutant("backup-of-a-copy-with-its-own-permissions", BACKUP, "        set_mode(fd, status.st_mode & PERMISSIONS)\n", "", FILES),
    mutant("partial-of-a-backup-stays", BACKUP, "    discard_partial(directory, backup)\n", "", FILES),
    mutant("small-file-without-a-backup", "secftp/storage/small.py", "            if replaced is not None and options.backup is not None:\n", "            if replaced is None and options.backup is not None:\n", FILES),
    mutant("backup-with-a-path", "secftp/protocol/requests.py", "        if self.backup is not None:\n            check_path(backup_path(self.path, self.backup))\n", "", CODEC),
    mutant("backups-with-paths", "secftp/protocol/requests.py", "                check_path(backup_path(file.path, self.backup))\n", "                pass\n", CODEC),
    mutant("backup-wanted-of-any-server", "secftp/transfer/upload.py", "            session.require(Capability.BACKUP, self._target.path)\n", "            pass\n", COPIES),
    mutant("first-file-without-a-backup", "secftp/transfer/upload_first.py", "    if options.backup is not None:\n        return None", "    if options.backup == \"\":\n        return None", COPIES),
    # --- exact targets ---
    mutant("exact-target-entered", "secftp/transfer/targets.py", "    return [SourceRoot(source, target.path, name, copies_top=bool(target.path))]\n", "    path = (*target.path, name) if kind is Kind.DIRECTORY else target.path\n    return [SourceRoot(source, path, name, copies_top=bool(target.path))]\n", TARGETS),
    mutant("exact-target-keeps-its-permissions", "secftp/transfer/download.py", " or target.is_exact\n", "\n", TARGETS),
    mutant("first-file-at-an-exact-name-with-a-slash", "secftp/transfer/upload.py", "        if self.is_exact and (self._target.trailing_slash or not self._target.path):\n            return\n", "", TARGETS),
    # --- lists of names ---
    mutant("list-that-leads-out", "secftp/client/name_list.py", "        if b\"..\" in path or (", "        if (", LISTS),
    mutant("list-with-comments-among-nul-bytes", "secftp/client/name_list.py", "        texts = data.split(b\"\\0\")\n", "        texts = [text for text in data.split(b\"\\0\") if not text.startswith(_COMMENTS)]\n", LISTS),
    mutant("listed-directory-entered", "secftp/storage/tree.py", "        kind = EntryKind.DIRECTORY if stat.S_ISDIR(status.st_mode) else EntryKind.FILE\n", "        kind = EntryKind.FILE\n", LISTS),
    mutant("list-through-a-link", "secftp/transfer/listed.py", "        root.files = LocalTree(self._source, follow=follow)\n        # One of its own to look at names, ahead of the other, which keeps open what is read.\n        with contextlib.closing(LocalTree(self._source, follow=follow)) as tree:\n", "        root.files = LocalTree(self._source, follow=True)\n        with contextlib.closing(LocalTree(self._source, follow=True)) as tree:\n", LISTS),
    mutant("list-made-in-a-dry-run", "secftp/transfer/listed.py", "        if not self.options.dry_run:\n            super()._make(local)\n", "        super()._make(local)\n", LISTS),
]  # fmt: skip
