from __future__ import annotations

from pathlib import Path

import pytest

from crossfold.algorithms.threads import usable_threads
from crossfold.errors import UserError
from serve.settings import ScriptSettings, Settings

MIB = 1024 * 1024


def _read(**environ: str) -> Settings:
    return Settings.from_environ(environ)


def test_nothing_set_gives_the_defaults() -> None:
    settings = _read()

    assert settings.opt_ml.root == Path("/opt/ml")
    assert settings.port == 8080
    assert settings.n_workers == usable_threads()
    assert settings.n_threads == 4
    assert settings.timeout_s == 60
    assert settings.max_body_bytes == 25 * MIB
    assert settings.default_accept == "text/csv"
    assert settings.output_keys == ()
    assert settings.uses_ensemble is True
    assert (settings.is_batch, settings.is_multi_model, settings.has_metrics) == (False,) * 3
    assert settings.is_local is False
    assert settings.bad_line is None
    assert settings.max_payload_mb is None
    assert settings.batch_strategy is None
    assert settings.max_concurrent_transforms is None


def test_an_empty_variable_counts_as_not_set() -> None:
    names = (
        "SAGEMAKER_BIND_TO_PORT",
        "MODEL_SERVER_WORKERS",
        "SAGEMAKER_BATCH",
        "SAGEMAKER_INFERENCE_OUTPUT",
        "CROSSFOLD_BATCH_BAD_LINE",
        "MAX_CONTENT_LENGTH",
        "SAGEMAKER_BASE_DIR",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
    )

    assert Settings.from_environ(dict.fromkeys(names, "")) == _read()


def test_every_variable_reaches_its_setting() -> None:
    settings = _read(
        SAGEMAKER_BASE_DIR="/elsewhere",
        SAGEMAKER_BIND_TO_PORT="9000",
        MODEL_SERVER_WORKERS="3",
        CROSSFOLD_SERVER_THREADS="7",
        MODEL_SERVER_TIMEOUT="61",
        SAGEMAKER_BATCH="True",
        SAGEMAKER_BATCH_STRATEGY="SingleRecord",
        SAGEMAKER_MAX_CONCURRENT_TRANSFORMS="5",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="6",
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="application/json",
        SAGEMAKER_INFERENCE_OUTPUT="probability, labels,",
        SAGEMAKER_INFERENCE_ENSEMBLE="FALSE",
        CROSSFOLD_BATCH_BAD_LINE=" ERROR ",
        CROSSFOLD_METRICS="1",
        CROSSFOLD_LOCAL_ONLY="true",
    )

    assert settings == Settings(
        opt_ml=type(settings.opt_ml)(Path("/elsewhere")),
        port=9000,
        n_workers=3,
        n_threads=7,
        timeout_s=61,
        is_batch=True,
        batch_strategy="SINGLE_RECORD",
        max_concurrent_transforms=5,
        max_payload_mb=6,
        max_body_bytes=6 * MIB,
        default_accept="application/json",
        output_keys=("probability", "labels"),
        uses_ensemble=False,
        bad_line=" ERROR ",
        has_metrics=True,
        is_local=True,
        script=ScriptSettings(default_accept="application/json", log_level=20, timeout_s=61),
    )


def test_every_variable_of_a_script_reaches_its_setting() -> None:
    settings = _read(
        SAGEMAKER_PROGRAM="mine.py",
        SAGEMAKER_SUBMIT_DIRECTORY="/elsewhere/code",
        SAGEMAKER_REGION="eu-west-1",
        SAGEMAKER_CONTAINER_LOG_LEVEL="10",
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv",
        MODEL_SERVER_TIMEOUT="61",
    )

    assert settings.script == ScriptSettings(
        program="mine.py",
        submit_directory="/elsewhere/code",
        region="eu-west-1",
        default_accept="text/csv",
        log_level=10,
        timeout_s=61,
    )


def test_a_script_answers_in_json_and_has_as_long_as_its_caller_waits() -> None:
    assert _read().script == ScriptSettings(
        default_accept="application/json", log_level=20, timeout_s=60
    )
    # AWS docs, "ModelClientConfig": 600 s.
    assert _read(SAGEMAKER_BATCH="true").script.timeout_s == 600
    assert _read(SAGEMAKER_BATCH="true", MODEL_SERVER_TIMEOUT="7").script.timeout_s == 7
    assert _read(SAGEMAKER_PROGRAM=" ", SAGEMAKER_SUBMIT_DIRECTORY="").script.program is None


def test_the_name_with_the_prefix_is_stronger() -> None:
    settings = _read(
        SAGEMAKER_MODEL_SERVER_WORKERS="2",
        MODEL_SERVER_WORKERS="9",
        SAGEMAKER_MODEL_SERVER_TIMEOUT="20",
        MODEL_SERVER_TIMEOUT="90",
    )

    assert (settings.n_workers, settings.timeout_s) == (2, 20)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 25 * MIB),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "3"}, 25 * MIB),
        ({"SAGEMAKER_BATCH": "true"}, 100 * MIB),
        ({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "3"}, 3 * MIB),
        ({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}, 1024 * MIB),
        ({"SAGEMAKER_BATCH": "true", "MAX_CONTENT_LENGTH": "1000"}, 1000),
        ({"MAX_CONTENT_LENGTH": "20971520"}, 20 * MIB),
    ],
)
def test_the_limit_of_a_body(environ: dict[str, str], expected: int) -> None:
    assert Settings.from_environ(environ).max_body_bytes == expected


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1"])
def test_several_models_live_in_one_process(text: str) -> None:
    settings = _read(SAGEMAKER_MULTI_MODEL=text, MODEL_SERVER_WORKERS="8")

    assert settings.is_multi_model
    assert settings.n_workers == 1
    assert settings.n_threads > Settings(settings.opt_ml).n_threads


def test_no_limit_for_concurrent_transforms_leaves_the_choice_to_the_server() -> None:
    assert _read(SAGEMAKER_MAX_CONCURRENT_TRANSFORMS="0").max_concurrent_transforms is None


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "0", "a whole number from 1 to 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "65536", "a whole number from 1 to 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "http", "a whole number from 1 to 65535"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "-1", "a whole number from 1 to 1024"),
        ("MODEL_SERVER_TIMEOUT", "inf", "a whole number from 1 to 86400"),
        ("MODEL_SERVER_TIMEOUT", "1e999", "a whole number from 1 to 86400"),
        ("CROSSFOLD_SERVER_THREADS", "1.5", "a whole number from 1 to 1024"),
        ("SAGEMAKER_BATCH", "maybe", "true or false"),
        ("SAGEMAKER_MULTI_MODEL", "2", "true or false"),
        ("SAGEMAKER_BATCH_STRATEGY", "ALL", "SINGLE_RECORD or MULTI_RECORD"),
        ("CROSSFOLD_BATCH_BAD_LINE", "two\nlines", "one line of text"),
        ("CROSSFOLD_BATCH_BAD_LINE", "ERROR\n", "one line of text"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(UserError) as caught:
        Settings.from_environ({name: text})

    message = str(caught.value)
    assert message.startswith(f"environment variable {name} is {text!r}; expected {allowed};")
    assert "\n" not in message
