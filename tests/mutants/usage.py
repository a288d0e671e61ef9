"""Mutants of sums over trees, and of the order and the names of listings."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

DU = "tests/client/test_cli_du_df_cat.py"
LS = "tests/client/test_cli_ls.py"

MUTANTS: list[Mutant] = [
    mutant("du-of-an-entry-that-is-not-known", "secftp/client/usage.py", "                    failed(problem)\n                    found = found._replace(is_known=False)\n", "                    failed(problem)\n", DU),
    mutant("du-of-a-directory-that-is-not-listed", "secftp/client/usage.py", "            failed(problem)\n            found = found._replace(is_known=False)\n        counted", "            failed(problem)\n        counted", DU),
    mutant("du-forgets-what-is-not-known-below", "secftp/client/usage.py", "is_known=self.is_known and other.is_known", "is_known=self.is_known", DU),
    mutant("du-total-without-what-is-missing", "secftp/client/commands/du.py", "total._replace(is_known=False) if done is None", "total if done is None", DU),
    mutant("du-tells-programs-a-smaller-size", "secftp/client/commands/du.py", "\"size\": usage.size if usage.is_known else None", "\"size\": usage.size", DU),
    mutant("df-unknown-is-none", "secftp/client/commands/df.py", "        if size is None:\n            return _UNKNOWN\n", "        size = size or 0\n", DU),
    mutant("cat-without-the-digest", "secftp/client/contents.py", "        if self._reply.end is None or self._output is None:\n", "        if self._output is None:\n", DU),
    mutant("cat-of-binary-on-a-terminal", "secftp/client/contents.py", "open_output(None, overwrite", "open_output(\"-\", overwrite", DU),
    mutant("ls-newest-first-as-they-come", "secftp/client/sorting.py", "    if order == BY_NAME and not reverse:\n", "    if not reverse:\n", LS),
    mutant("ls-parts-are-not-merged", "secftp/client/sorting.py", "    yield from heapq.merge(*runs, key=key, reverse=reverse)\n", "    for run in runs:\n        yield from run\n", LS),
    mutant("ls-quotes-of-a-quote", "secftp/client/listing_text.py", "escaped.replace(\"'\", r\"\\'\")", "escaped", LS),
    mutant("ls-shows-names-as-they-are", "secftp/client/listing_text.py", "    if escaped != text:\n", "    if False:\n", LS),
    mutant("colours-of-any-kind", "secftp/client/colours.py", "not _SGR.fullmatch(value)", "False", LS),
]  # fmt: skip
