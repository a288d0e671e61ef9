"""What works on a bucket, by the table of the operators' guide, against what the stores say and the tests expect."""

from __future__ import annotations

from secftp.protocol import Capability
from secftp.storage.objects.store import LACKS
from tests.docs.test_operators import GUIDE
from tests.support.stores import LOCAL, OBJECTS

SECTION = GUIDE.partition("### What works, and how")[2].partition("\n### ")[0]
TABLE = [line.strip("|").split("|") for line in SECTION.splitlines() if line.startswith("| ")][1:]
ANSWERS = {request.strip(): answer.strip() for request, answer, _ in TABLE}
HOW = {request.strip(): how.strip() for request, _, how in TABLE}

RESUME = "`put --resume`, `get --resume`"
# What a client is told that the server lacks.
ROW_OF_CAPABILITY = {
    Capability.RESUME: RESUME,
    Capability.UPLOADS: "`put --streams`",
    Capability.HOLES: "holes of sparse files",
    Capability.BACKUP: "`put --backup`",
    Capability.SPACE: "`df`",
}
# What the tests of the interface expect: the row, and what it says where the trait is not there.
ROW_OF_TRAIT = {
    "resumes": (RESUME, "no"),
    "renames_directories": ("`mv` of a directory", "no"),
    "sets_attributes": ("changing time or permissions of a file (SETATTR)", "no"),
    "any_bytes": ("names that are not UTF-8, control characters, keys above 1,024 bytes", "refused"),
}
# Those that no answer says, by the sentence that does.
SENTENCE_OF_TRAIT = {
    "parents": "a parent need not exist",
    "stays_open": "a file that is replaced meanwhile is an error and never a mixture",
    "one_name": "If an object and a prefix have the same name, the object is the file",
}
# Of some buckets only (`copies_metadata`), or as in a local directory.
OTHERS = {"copies_metadata", "keeps_mode", "new_mode"}


def test_the_table_is_read():
    assert len(ANSWERS) == len(TABLE) > 15


def test_every_lack_of_a_bucket_has_its_row():
    assert set(ROW_OF_CAPABILITY) == LACKS
    for row in ROW_OF_CAPABILITY.values():
        assert ANSWERS[row] == "no", row


def test_every_difference_between_the_stores_is_told():
    assert {*ROW_OF_TRAIT, *SENTENCE_OF_TRAIT, *OTHERS} == set(OBJECTS._fields)
    for trait, (row, answer) in ROW_OF_TRAIT.items():
        assert (getattr(LOCAL, trait), getattr(OBJECTS, trait)) == (True, False), trait
        assert ANSWERS[row] == answer, row
    for trait, sentence in SENTENCE_OF_TRAIT.items():
        assert (getattr(LOCAL, trait), getattr(OBJECTS, trait)) == (True, False), trait
        assert sentence in " ".join(SECTION.split()), trait
    for trait in OTHERS - {"copies_metadata"}:
        assert getattr(LOCAL, trait) == getattr(OBJECTS, trait), trait
    assert "loses times and permissions" in HOW["`put --no-overwrite`, new files of `sync`, keys without `overwrite`"]


def test_what_the_table_says_does_not_work_is_what_the_tests_expect():
    told = {row for row, answer in ANSWERS.items() if answer in ("no", "refused")}
    assert told == {*ROW_OF_CAPABILITY.values(), *(row for row, _ in ROW_OF_TRAIT.values())}
