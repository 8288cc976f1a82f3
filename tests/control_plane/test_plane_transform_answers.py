"""Batch outputs equal real-time answers over every combination that the documents allow.

A model that the real `train` has fitted is served twice: in real time, where each row is asked for
on its own, and by the command `serve` in batch mode, which transform jobs of the plane send the
rows to.  What the filters and joins make of a row is said here once more, in plain Python.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from crossfold.contract.paths import OptMl
from local_test.control_plane.storage.aws import Store
from tests.control_plane.hosting_world import Life
from tests.control_plane.storage_fixtures import make_store
from tests.control_plane.transform_world import BUCKET, TransformPlane
from tests.served_models import ServedModel, labelled_csv, served_rows, train, training_rows
from tests.serving import serving

KEYS = {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label,probability"}
CSV, LINES, JSON = "text/csv", "application/jsonlines", "application/json"
STRATEGIES, ASSEMBLED = ("SingleRecord", "MultiRecord"), ("None", "Line")
ROWS = [list(row) for row in served_rows().cells[:7]]

Pick = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One media type: how a record is written, and what each filter selects of it, in words.

    The third of an input filter says which records it is for: those that have more than the model
    may see, or those that have not.
    """

    media_type: str
    inputs: Mapping[str, tuple[Pick, bool]]
    outputs: Mapping[str, Pick]
    joined: Mapping[str, Pick]
    read: Callable[[str], Any]
    write: Callable[[Any], str]
    join: Callable[[Any, Any], Any]
    with_id: Callable[[int, list[Any]], Any]
    without_id: Callable[[list[Any]], Any]


def cells(row: Sequence[Any]) -> list[str]:
    return ["" if cell is None else str(cell) for cell in row]


def csv_line(row: Any) -> str:
    """Write a row with quotes only where there must be some; a row of one is a field."""
    fields = row if isinstance(row, list) else [row]
    texts = [
        '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
        for text in fields
    ]
    return ",".join(texts)


def json_line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


KINDS = {
    "csv": Kind(
        CSV,
        inputs={
            "$": (lambda row: row, False),
            "$[1:]": (lambda row: row[1:], True),
            "$[1,2,3,4,5,6]": (lambda row: [row[i] for i in (1, 2, 3, 4, 5, 6)], True),
            "$[-6:]": (lambda row: row[-6:], True),
            "$[1:3,3:6,-1]": (lambda row: [*row[1:3], *row[3:6], row[-1]], True),
            "$[*]": (lambda row: row, False),
        },
        outputs={
            "$": lambda row: row,
            "$[1]": lambda row: row[1],
            "$[-1,0]": lambda row: [row[1], row[0]],
            "$[:1]": lambda row: row[:1],
            "$.*": lambda row: row,
        },
        joined={
            "$": lambda row: row,
            "$[0,-1]": lambda row: [row[0], row[-1]],
            "$[0,5:]": lambda row: [row[0], *row[5:]],
            "$[-2:]": lambda row: row[-2:],
            "$[-1]": lambda row: row[-1],
        },
        read=lambda line: next(csv.reader([line])),
        write=csv_line,
        join=lambda given, answer: given + answer,
        with_id=lambda number, row: [f'patient "{number}", ward', *cells(row)],
        without_id=cells,
    ),
    "jsonlines": Kind(
        LINES,
        inputs={
            "$": (lambda record: record, False),
            "$.features": (lambda record: record["features"], True),
            "$['features']": (lambda record: record["features"], True),
            "$.features[*]": (lambda record: record["features"], True),
            "$.features[0:6]": (lambda record: record["features"][:6], True),
            "$.features[0,1,2:-1,-1]": (lambda record: record["features"], True),
        },
        outputs={
            "$": lambda answer: answer,
            "$.probability": lambda answer: answer["probability"],
            "$['probability','predicted_label']": lambda answer: {
                name: answer[name] for name in ("probability", "predicted_label")
            },
            "$.*": lambda answer: list(answer.values()),
        },
        joined={
            "$": lambda record: record,
            "$.SageMakerOutput": lambda record: record["SageMakerOutput"],
            "$['features','SageMakerOutput']": lambda record: {
                name: record[name] for name in ("features", "SageMakerOutput")
            },
            "$.SageMakerOutput['probability']": lambda record: record["SageMakerOutput"][
                "probability"
            ],
            "$.features[-1]": lambda record: record["features"][-1],
        },
        read=json.loads,
        write=json_line,
        join=lambda given, answer: {**given, "SageMakerOutput": answer},
        with_id=lambda number, row: {"id": f"Zoë {number}", "features": row},
        without_id=lambda row: {"features": row},
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One job, and what it must make of the rows; `answers` are those of real time."""

    given: Kind
    answered: Kind
    split: str
    strategy: str
    assemble: str
    is_joined: bool
    input_filter: str
    output_filter: str

    @property
    def records(self) -> list[Any]:
        """The records of the file."""
        if self.given.inputs[self.input_filter][1]:
            return [self.given.with_id(number, row) for number, row in enumerate(ROWS)]
        return [self.given.without_id(row) for row in ROWS]

    @property
    def file(self) -> bytes:
        return "".join(f"{self.given.write(record)}\n" for record in self.records).encode()

    def asked(self) -> list[bytes]:
        """Return what the model is to be asked about each record."""
        pick = self.given.inputs[self.input_filter][0]
        return [self.given.write(pick(record)).encode() for record in self.records]

    def output(self, answers: Sequence[str]) -> bytes:
        """Return the output: what is kept of each answer, put together."""
        is_processed = self.is_joined or self.output_filter != "$"
        kept = [
            self._kept(record, answer) if is_processed else answer
            for record, answer in zip(self.records, answers, strict=True)
        ]
        end = "\n" if self.assemble == "Line" else ""
        if self.split == "Line" and self.strategy == "SingleRecord":
            return "".join(f"{text}{end}" for text in kept).encode()
        return ("\n".join(kept) + end).encode()

    def request(self, number: int) -> dict[str, Any]:
        """Return what the job's request has beside its name."""
        return {
            "S3Uri": f"s3://{BUCKET}/in/{number:03}",
            "S3OutputPath": f"s3://{BUCKET}/out",
            "SplitType": self.split,
            "BatchStrategy": self.strategy,
            "AssembleWith": self.assemble,
            "ContentType": self.given.media_type,
            "Accept": self.answered.media_type,
            "MaxConcurrentTransforms": 1 + number % 3,
            # Now and then any size, which is sent in chunks where nothing is looked into.
            "MaxPayloadInMB": (number % 4) and 6,
            "DataProcessing": {
                "InputFilter": self.input_filter,
                "OutputFilter": self.output_filter,
                "JoinSource": "Input" if self.is_joined else "None",
            },
        }

    def _kept(self, record: Any, answer: str) -> str:
        value = self.answered.read(answer)
        if self.is_joined:
            value = self.answered.join(record, value)
        filters = self.answered.joined if self.is_joined else self.answered.outputs
        return self.answered.write(filters[self.output_filter](value))


def cases(given: str, answered: str, *, is_joined: bool, split: str) -> list[Case]:
    """Return all jobs of a pair of media types; a join needs what is split to be assembled."""
    kind, other = KINDS[given], KINDS[answered]
    return [
        Case(kind, other, split, strategy, assemble, is_joined, input_filter, output_filter)
        for strategy, assemble, input_filter, output_filter in itertools.product(
            STRATEGIES, ASSEMBLED, kind.inputs, other.joined if is_joined else other.outputs
        )
        if not is_joined or split == assemble
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """Train on rows with texts, missing cells and a class whose name has a comma."""
    own = {"objective": "binary:logistic", "label": "outcome", "drop_columns": "query"}
    own |= {"num_round": "7", "max_depth": "4"}
    files = {"rows.csv": labelled_csv("binary", training_rows())}
    return train(tmp_path_factory.mktemp("model"), own, {"train": files})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def plane(model: ServedModel, store: Store) -> Iterator[TransformPlane]:
    """Run one batch server, which all jobs share."""
    with serving(OptMl(model.root), SAGEMAKER_BATCH="true", **KEYS) as server:
        life = Life(ready_s=0.0, ends_s=0.0, address=f"http://127.0.0.1:{server.port}")
        yield TransformPlane(store, life)


def in_real_time(model: ServedModel, body: bytes, given: str, answered: str) -> str:
    """Ask for one row."""
    return model.answer(body, given, answered, **KEYS).decode().removesuffix("\n")


@pytest.mark.parametrize(
    ("given", "answered", "is_joined", "split"),
    [
        ("csv", "csv", False, "None"),
        ("csv", "csv", False, "Line"),
        ("csv", "csv", True, "Line"),  # CSV is not joined otherwise
        ("csv", "jsonlines", False, "None"),
        ("csv", "jsonlines", False, "Line"),
        ("jsonlines", "jsonlines", False, "None"),
        ("jsonlines", "jsonlines", False, "Line"),
        ("jsonlines", "jsonlines", True, "None"),
        ("jsonlines", "jsonlines", True, "Line"),
        ("jsonlines", "csv", False, "None"),
        ("jsonlines", "csv", False, "Line"),
    ],
)
def test_batch_outputs_are_the_real_time_answers(
    model: ServedModel,
    plane: TransformPlane,
    given: str,
    answered: str,
    is_joined: bool,  # noqa: FBT001
    split: str,
) -> None:
    jobs = cases(given, answered, is_joined=is_joined, split=split)
    for each in plane.store.objects(BUCKET, "out/"):
        plane.store.delete(BUCKET, each.key)
    told: dict[bytes, str] = {}
    for number, case in enumerate(jobs):
        for body in case.asked():
            if body not in told:
                told[body] = in_real_time(
                    model, body, case.given.media_type, case.answered.media_type
                )
        plane.store.write(BUCKET, f"in/{number:03}", io.BytesIO(case.file))
    prefix = f"{given}-{answered}-{split}-{is_joined}".lower()

    for number, case in enumerate(jobs):
        plane.create(f"{prefix}-{number}", **case.request(number))
    for number in range(len(jobs)):
        ended = plane.run(f"{prefix}-{number}")
        assert ended["TransformJobStatus"] == "Completed", plane.data_log()[-9:]

    outputs = plane.outputs()
    for number, case in enumerate(jobs):
        assert outputs[f"{number:03}.out"] == case.output([told[body] for body in case.asked()]), (
            case
        )


def test_the_answers_differ_from_row_to_row(model: ServedModel) -> None:
    case = cases("csv", "csv", is_joined=False, split="Line")[0]

    answers = [in_real_time(model, body, CSV, CSV) for body in case.asked()]

    assert len(set(answers)) > len(ROWS) // 2
    assert any(answer.startswith('"no, thanks",0.') for answer in answers)


def test_many_requests_of_a_megabyte_are_put_together_in_order(
    model: ServedModel, plane: TransformPlane
) -> None:
    (case,) = [
        each
        for each in cases("csv", "csv", is_joined=True, split="Line")
        if (each.strategy, each.input_filter, each.output_filter) == ("MultiRecord", "$[1:]", "$")
    ]
    times = (3 << 20) // len(case.file)
    plane.store.write(BUCKET, "large/rows.csv", io.BytesIO(case.file * times))
    place = {"S3Uri": f"s3://{BUCKET}/large", "MaxPayloadInMB": 1}

    plane.transform("large", **case.request(2) | place)

    answers = [in_real_time(model, body, CSV, CSV) for body in case.asked()]
    assert plane.outputs()["rows.csv.out"] == case.output(answers) * times


def joined_document(given: Any, answer: Any) -> Any:
    return {**given, "SageMakerOutput": answer}


@pytest.mark.parametrize(
    ("is_joined", "output_filter", "pick"),
    [
        (False, "$", lambda document: document["SageMakerOutput"]),
        (
            False,
            "$.predictions[-1].probability",
            lambda document: document["SageMakerOutput"]["predictions"][-1]["probability"],
        ),
        (True, "$", lambda document: document),
        (
            True,
            "$['ward','SageMakerOutput']",
            lambda document: {name: document[name] for name in ("ward", "SageMakerOutput")},
        ),
    ],
)
def test_a_json_document_is_one_record(
    model: ServedModel,
    plane: TransformPlane,
    is_joined: bool,  # noqa: FBT001
    output_filter: str,
    pick: Pick,
) -> None:
    asked = {"instances": ROWS}
    given = {"ward": "Żory", "asked": asked}
    plane.store.write(BUCKET, "whole/a.json", io.BytesIO(json.dumps(given).encode()))
    processing = {
        "InputFilter": "$.asked",
        "OutputFilter": output_filter,
        "JoinSource": "Input" if is_joined else "None",
    }
    name = f"whole-{is_joined}-{len(output_filter)}".lower()

    ended = plane.transform(
        name,
        S3Uri=f"s3://{BUCKET}/whole",
        ContentType=JSON,
        Accept=JSON,
        DataProcessing=processing,
    )

    assert ended["TransformJobStatus"] == "Completed", plane.data_log()[-9:]
    answer = json.loads(model.answer(json.dumps(asked).encode(), JSON, JSON, **KEYS))
    assert json.loads(plane.outputs()["a.json.out"]) == pick(joined_document(given, answer))


@pytest.mark.parametrize("split", ["RecordIO", "TFRecord"])
@pytest.mark.parametrize("output_filter", ["$", "$[1]"])
def test_rows_in_binary_frames_are_asked_one_by_one(
    model: ServedModel, plane: TransformPlane, split: str, output_filter: str
) -> None:
    (case,) = [
        each
        for each in cases("csv", "csv", is_joined=False, split="Line")
        if (each.strategy, each.assemble, each.input_filter, each.output_filter)
        == ("SingleRecord", "Line", "$", output_filter)
    ]
    framed = b"".join(_FRAMES[split](body) for body in case.asked())
    plane.store.write(BUCKET, "framed/rows", io.BytesIO(framed))
    name = f"framed-{split}-{len(output_filter)}"

    ended = plane.transform(
        name, **case.request(1) | {"S3Uri": f"s3://{BUCKET}/framed", "SplitType": split}
    )

    assert ended["TransformJobStatus"] == "Completed", plane.data_log()[-9:]
    answers = [in_real_time(model, body, CSV, CSV) for body in case.asked()]
    assert plane.outputs()["rows.out"] == case.output(answers)


def _recordio(data: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(data)) + data + b"\0" * (-len(data) % 4)


def _tfrecord(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    crc = 0xFFFFFFFF
    for bit in (byte >> n & 1 for byte in length for n in range(8)):
        crc = crc >> 1 ^ (0x82F63B78 if (crc ^ bit) & 1 else 0)
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return length + struct.pack("<I", masked) + data + b"crc?"


_FRAMES = {"RecordIO": _recordio, "TFRecord": _tfrecord}
