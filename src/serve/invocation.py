"""From a request's headers and body to its answer: negotiate, read, decode, predict, encode.

Works on the WSGI environment itself, because this is the path whose microseconds count.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfold.data.cells import quoted
from crossfold.errors import UserError
from serve.answers import JSON, Answer, error_body
from serve.bodies import Environ, read_body
from serve.decoding.decode import CONTENT_TYPES, decode
from serve.decoding.lines import Lines, decode_lines, reads_lines
from serve.encoding.encode import encode, encode_lines
from serve.encoding.media_types import negotiate, parse_media_type
from serve.outputs import Output
from serve.predictor import Predictor
from serve.refusals import Refusal
from serve.request_log import RequestRecord, log_failure, log_request, log_traceback
from serve.schema import Schema
from serve.settings import Settings
from serve.telemetry import Telemetry

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"

_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_TEXTS = frozenset({"text/csv"})


class Invocations:
    """Answers calls of a model.

    Parameters
    ----------
    settings : Settings
    telemetry : Telemetry, optional
        Counts requests where they are measured.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry | None = None) -> None:
        self._settings = settings
        self._telemetry = telemetry

    def answer(self, environ: Environ, predictor: Predictor, record: RequestRecord) -> Answer:
        """Answer one request; every failure becomes an error body, nothing is raised."""
        try:
            body, content_type = self._predict(environ, predictor, record)
        except Refusal as refusal:
            return self.refuse(environ, record, refusal)
        except UserError as error:
            return self.refuse(environ, record, Refusal(400, str(error)))
        except MemoryError as error:
            log_traceback(record.request_id, error)
            message = "there is not enough memory for a body of this size; send fewer rows at once"
            return self.refuse(environ, record, Refusal(507, message))
        except Exception as error:  # noqa: BLE001 - the outermost frame of a request
            log_traceback(record.request_id, error)
            message = "the model failed on these rows; the log says why under this request_id"
            return self.refuse(environ, record, Refusal(500, message))
        record.n_bytes_out = len(body)
        self.note(record, 200)
        return Answer(200, body, content_type, response_headers(environ, record))

    def note(self, record: RequestRecord, status: int, *, path: str | None = None) -> None:
        """Log a request that was answered, and count it; `path` is left out for invocations."""
        seconds = log_request(record, status, path)
        if self._telemetry is not None:
            self._telemetry.observe(status, seconds, record)

    def refuse(self, environ: Environ, record: RequestRecord, refusal: Refusal) -> Answer:
        """Answer with an error, and write it to the log under the same id."""
        body = error_body(refusal, record.request_id)
        record.n_bytes_out = len(body)
        seconds = log_failure(record, refusal.status, refusal.message)
        if self._telemetry is not None:
            self._telemetry.observe(refusal.status, seconds, record)
        return Answer(refusal.status, body, JSON, response_headers(environ, record))

    def _predict(
        self, environ: Environ, predictor: Predictor, record: RequestRecord
    ) -> tuple[bytes, str]:
        media_type = _media_type(environ)
        by_line = self._settings.is_batch and reads_lines(media_type)
        selection = predictor.selection
        accepted = negotiate(
            environ.get("HTTP_ACCEPT"),
            self._settings.default_accept,
            selection.accepts_by_line if by_line else selection.accepts,
        )
        body = read_body(environ, self._settings.max_body_bytes)
        record.begin(len(body))
        lines = self._decoded(media_type, body, predictor.schema, by_line=by_line)
        del body
        record.n_rows = len(lines.features)
        record.n_bad_lines, record.bad_lines = len(lines.bad_at), lines.reasons
        record.lap("decode")
        outputs = predictor.outputs(lines.features) if record.n_rows else ()
        record.lap("predict")
        if by_line:
            encoded = _encoded_lines(accepted, outputs, lines, self._settings.bad_line or "")
        else:
            encoded = encode(accepted, outputs)
        record.lap("encode")
        return encoded, f"{accepted}; charset=utf-8" if accepted in _TEXTS else accepted

    def _decoded(self, media_type: str, body: bytes, schema: Schema, *, by_line: bool) -> Lines:
        if by_line:
            keep_bad = self._settings.bad_line is not None
            return decode_lines(media_type, body, schema, keep_bad=keep_bad)
        features = decode(media_type, body, schema, guess_header=not self._settings.is_batch)
        return Lines(features, len(features), None)


def response_headers(
    environ: Environ, record: RequestRecord, *, attributes: str | None = None
) -> tuple[tuple[str, str], ...]:
    """Return the headers of every answer: the id, and `attributes`, else the caller's own."""
    if attributes is None:
        attributes = environ.get("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES")
    if attributes and attributes.isascii() and attributes.isprintable():
        return (("X-Request-Id", record.request_id), (CUSTOM_ATTRIBUTES, attributes))
    return (("X-Request-Id", record.request_id),)


def _media_type(environ: Environ) -> str:
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() not in ("", "identity"):
        encoding = quoted(str(environ["HTTP_CONTENT_ENCODING"]))
        message = f"the body has Content-Encoding {encoding}; send it without compression"
        raise Refusal(415, message)
    # A request that says nothing is taken for CSV, as SageMaker's own containers do.
    header = environ.get("CONTENT_TYPE") or "text/csv"
    if header in CONTENT_TYPES:
        return str(header)
    media_type, parameters = parse_media_type(header)
    if media_type not in CONTENT_TYPES:
        message = (
            f"the body has Content-Type {quoted(media_type)}; expected one of "
            f"{', '.join(CONTENT_TYPES)}"
        )
        raise Refusal(415, message)
    charset = parameters.get("charset", "").lower()
    if charset not in _CHARSETS:
        raise Refusal(415, f"the body has charset {quoted(charset)}; send it in utf-8")
    return media_type


def _encoded_lines(
    accepted: str, outputs: Sequence[Output], lines: Lines, placeholder: str
) -> bytes:
    """Answer each line with one line: what a request with that line alone would be given."""
    if lines.rows_at is None and accepted != JSON:
        return encode(accepted, outputs)
    encoded = encode_lines(accepted, outputs)
    if lines.rows_at is None:
        return b"\n".join(encoded)
    placed = [b""] * lines.n_lines
    written = placeholder.encode()
    for line in lines.bad_at.tolist():
        placed[line] = written
    for line, text in zip(lines.rows_at.tolist(), encoded, strict=True):
        placed[line] = text
    return b"\n".join(placed)
