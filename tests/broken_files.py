"""Data files that no job can use, each with what the failure line must say."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def small_csv() -> str:
    """40 rows with the header ``y,a,b``; two classes of 20 rows."""
    return "y,a,b\n" + "".join(f"{i % 2},{i * 0.5},{i * 7 % 11}\n" for i in range(40))


def small_jsonlines() -> str:
    """40 objects with the keys ``y``, ``a`` and, a text, ``c``."""
    rows = ({"y": i % 2, "a": i * 0.5, "c": "uvw"[i % 3]} for i in range(40))
    return "".join(json.dumps(row) + "\n" for row in rows)


def small_libsvm() -> str:
    """40 rows with the indices 1 and 3."""
    return "".join(f"{i % 2} 1:{i} 3:{i * 0.5}\n" for i in range(40))


def parquet_bytes(columns: Mapping[str, Sequence[object]]) -> bytes:
    """Return the columns as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), file)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """Files that no job can use, and what the failure line must say."""

    files: Mapping[str, str | bytes]
    says: tuple[str, ...]
    label: str | None = "y"
    hyperparameters: Mapping[str, str] = field(default_factory=dict)


def _with_row(line: int, row: str) -> str:
    """Return `small_csv` with one line, counted from 1, replaced."""
    lines = small_csv().splitlines()
    lines[line - 1] = row
    return "\n".join(lines) + "\n"


def _broken_csv() -> dict[str, BrokenFile]:
    in_file = "channel 'train', file a.csv"
    good, no_header = small_csv(), small_csv().split("\n", 1)[1]
    latin_1 = (good + "1,caf\xe9,3\n").encode("latin-1")

    def bad(csv: str | bytes, *says: str, **own: str) -> BrokenFile:
        return BrokenFile({"a.csv": csv}, (in_file, *says), hyperparameters=own)

    return {
        "ragged row": bad(_with_row(6, "1,2"), "row 6 has 2 cells, row 1 has 3"),
        "a cell too many": bad(_with_row(6, "1,2,3,4"), "row 6 has 4 cells"),
        "empty": bad("", "is empty"),
        "blank lines": bad("\n\n\n", "is empty"),
        "header only": bad("y,a,b\n", "row 1 is the only row", "header without rows"),
        "not UTF-8": bad(latin_1, "row 42 is not UTF-8"),
        "UTF-16": bad(good.encode("utf-16"), "is not UTF-8", "save the file as UTF-8"),
        "noise": bad(bytes(range(256)) * 20, "is not UTF-8"),
        "quote never closed": bad(_with_row(41, '1,"2,3'), "row 41"),
        "NUL in a number": bad(_with_row(6, "1,2\x00,3"), "row 6, column 'a'"),
        "duplicate columns": bad(good.replace("y,a,b", "y,a,a"), "several columns named 'a'"),
        "text among numbers": bad(
            _with_row(8, "1,abc,3"), "row 8, column 'a'", "'abc' is not a number", "drop_columns"
        ),
        "label missing": bad(_with_row(8, ",2,3"), "row 8, column 'y'", "the label is missing"),
        "label NA": bad(_with_row(8, "NA,2,3"), "row 8, column 'y'", "the label is missing"),
        "label infinite": bad(_with_row(8, "inf,2,3"), "row 8, column 'y'", "the label is inf"),
        "feature infinite": bad(_with_row(8, "1,inf,3"), "row 8, column 'a'", "infinite"),
        "feature beyond float": bad(_with_row(8, "1,1e400,3"), "row 8, column 'a'", "3.4e+38"),
        "label only": bad("y\n1\n0\n1\n", "no feature"),
        "header taken as data": BrokenFile(
            {"a.csv": good}, (in_file, "row 1, column '1'", "'header'"), None, {"header": "false"}
        ),
        "data taken as header": bad(no_header, "several columns named", header="true"),
        "names or data": bad("x,u\nz,v\n" * 10, "may be a header or data", "'header'"),
    }


def _broken_roles() -> dict[str, BrokenFile]:
    def bad(csv: str, *says: str, **own: str) -> BrokenFile:
        says = ("channel 'train', file a.csv", *says)
        return BrokenFile({"a.csv": csv}, says, hyperparameters=own)

    return {
        "weight negative": bad(
            _with_row(8, "1,2,-3"), "row 8, column 'b'", "the weight is -3.0", weight_column="b"
        ),
        "weight missing": bad(_with_row(8, "1,2,"), "row 8, column 'b'", weight_column="b"),
        "group missing": bad(_with_row(8, "1,2,"), "the group is missing", group_column="b"),
        "time missing": bad(_with_row(8, "1,2,"), "the time is missing", time_column="b"),
        "fold missing": bad(_with_row(8, "1,2,"), "the fold is missing", fold_column="b"),
    }


def _broken_others() -> dict[str, BrokenFile]:
    y, a = [0, 1] * 10, [1.5, 2.5] * 10
    whole = parquet_bytes({"y": y, "a": a})

    def bad(name: str, content: str | bytes, *says: str) -> BrokenFile:
        return BrokenFile({name: content}, (f"channel 'train', file {name}", *says))

    def jsonl(content: str, *says: str) -> BrokenFile:
        return bad("a.jsonl", content, *says)

    def parquet(content: bytes, *says: str) -> BrokenFile:
        return bad("a.parquet", content, *says)

    stray = parquet_bytes({"y": y, "a": ["1", "x"] * 10})
    absent = parquet_bytes({"y": [0, None] * 10, "a": a})
    return {
        "Parquet noise": parquet(b"PAR1 no such thing PAR1", "not a valid Parquet file"),
        "Parquet empty": parquet(b"", "not a valid Parquet file"),
        "Parquet cut off": parquet(whole[:-30], "not a valid Parquet file"),
        "Parquet without rows": parquet(parquet_bytes({"y": [], "a": []}), "has no rows"),
        "Parquet nested": parquet(parquet_bytes({"y": y, "a": [[1], [2]] * 10}), "column 'a'"),
        "Parquet stray text": parquet(stray, "row 2, column 'a'", "'x' is not a number"),
        "Parquet label missing": parquet(absent, "row 2, column 'y'", "the label is missing"),
        "gzip cut off": bad("a.csv.gz", gzip.compress(small_csv().encode())[:-20]),
        "unknown suffix": bad("a.txt", small_csv(), "unknown format", ".parquet"),
        "JSON Lines cut off": jsonl('{"y":1,"a":2}\n{"y":0,"a":\n', "row 2 is not JSON"),
        "JSON Lines scalar": jsonl("5\n", "row 1 holds 5"),
        "JSON Lines nested": jsonl('{"y":1,"a":{"b":1}}\n' * 5, "column 'a'"),
        "JSON Lines key twice": jsonl('{"y":1,"y":0}\n', "row 1", "'y' is there twice"),
        "JSON Lines empty": jsonl("", "is empty"),
        "JSON Lines label null": jsonl('{"y":1,"a":2}\n{"y":null,"a":2}\n', "row 2, column 'y'"),
    }


def _broken_libsvm() -> dict[str, BrokenFile]:
    def libsvm(content: str, *says: str) -> BrokenFile:
        return BrokenFile({"a.libsvm": content}, ("channel 'train', file a.libsvm", *says), None)

    return {
        "LIBSVM text": libsvm("hello world\n", "row 1", "'hello' is no label"),
        "LIBSVM value": libsvm("1 1:2 2:x\n", "row 1", "'2:x' is no entry"),
        "LIBSVM index twice": libsvm("1 1:2 1:3\n", "row 1", "index 1 comes after 1"),
        "LIBSVM index order": libsvm("0 1:1\n1 2:2 1:3\n", "row 2", "index 1 comes after 2"),
        "LIBSVM label nan": libsvm("nan 1:1\n", "row 1", "'nan' is no label"),
        "LIBSVM empty": libsvm("", "is empty"),
    }


def _broken_sets() -> dict[str, BrokenFile]:
    good, no_header = small_csv(), small_csv().split("\n", 1)[1]
    other = good.replace("y,a,b", "y,a,c")
    return {
        "other columns": BrokenFile(
            {"a.csv": good, "b.csv": other}, ("file b.csv", "missing 'b', unknown 'c'")
        ),
        "header in one": BrokenFile(
            {"a.csv": good, "b.csv": no_header}, ("file a.csv", "file b.csv", "'header'")
        ),
        "one empty": BrokenFile({"a.csv": good, "b.csv": ""}, ("file b.csv", "is empty")),
        "no files": BrokenFile({}, ("channel 'train' has no files",)),
        "marker only": BrokenFile({"_SUCCESS": ""}, ("channel 'train' has no files",)),
        "two formats": BrokenFile(
            {"a.csv": good, "b.libsvm": small_libsvm()}, ("a.csv", "b.libsvm")
        ),
        "one class": BrokenFile(
            {"a.csv": "y,a\n" + "yes,2\nyes,3\n" * 10}, ("'y'", "one class only ('yes')")
        ),
        "one class, a number": BrokenFile(
            {"a.csv": "y,a\n" + "0,2\n0,3\n" * 10}, ("'y'", "one class only ('0')")
        ),
    }


BROKEN_FILES = {
    **_broken_csv(),
    **_broken_roles(),
    **_broken_others(),
    **_broken_libsvm(),
    **_broken_sets(),
}
