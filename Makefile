# Front door: `make` prints the menu.  Only commands here, no logic.

PYTHON ?= python3
VENV ?= .venv
# A client with BuildKit; docker/Dockerfile says which secrets a network of one's own may need.
DOCKER ?= docker
IMAGE ?= crossfold
# Another base than the Dockerfile's, such as the one that `make base-image` makes.
BASE_IMAGE ?=
# Files below requirements/ that the image shall contain.
REQUIREMENTS ?= runtime.txt
BUILD_OPTIONS ?=
STAND_IN ?= crossfold-base:trixie
# The repository in ECR.  The region is AWS_REGION's or the AWS profile's.
REPOSITORY ?= crossfold
# `make lock UPGRADE=--upgrade` moves every pin to the newest version that requirements/*.in allow.
UPGRADE ?=
# More of pip-audit's options, such as `--ignore-vuln ID` for what does not concern you.
SCAN_OPTIONS ?=

# Options of `make rehearse`, such as `--trials 20`.
REHEARSE ?=
# Options of `make verify-aws`; `--help` lists them.
VERIFY ?=
# How `make test` and `make test-image` spread over the cores; the tests of one file share what they start.  Empty: one by one.
PARALLEL ?= -n logical --maxprocesses 8 --dist loadfile

BIN := $(VENV)/bin
# Errors only: whoever waits reads what is said before each step.
PIP_COMMAND := install -qq --disable-pip-version-check
PIP_INSTALL := $(BIN)/python -m pip $(PIP_COMMAND)
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
LOCK_VENV := .lock-venv
AUDIT_VENV := build/audit
AUDIT_READY := $(AUDIT_VENV)/.ready
SCRIPT_VENV := build/script-mode
SCRIPT_READY := $(SCRIPT_VENV)/.ready
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION = $(shell git describe --always --dirty --abbrev=40 --exclude='*')
DEMO_MODEL := build/demo/model/manifest.json
# What a user's own jobs left: the local control plane's, a paid run's facts, train_local.sh's.
JOBS := build/control_plane build/verify-aws local_test/opt_ml
LOCKED := $(addprefix requirements/,lock.txt runtime.txt dev.txt audit.txt bench.txt script-mode.txt sdk2.txt sdk3.txt) docker/build-backend.txt
COMPILE := $(LOCK_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' $(UPGRADE)

.DEFAULT_GOAL := help
# An environment that was made by half is none.
.DELETE_ON_ERROR:
.PHONY: help setup demo serve test check lint types imports house format bench fuzz chaos simulate plane-load \
	build base-image sizes sbom scan smoke test-image test-local-mode \
	test-rehearsal test-browser test-script-mode test-pytorch push rehearse verify-aws conformance lock clean clean-jobs

help: ## print this menu
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

setup: $(READY) ## make .venv with everything below needs (a minute; instant the second time)

demo: $(READY) ## cross-validate, refit and predict on real data, on this machine
	$(BIN)/python -u -m local_test.demo

serve: $(DEMO_MODEL) ## serve the model of the demo on port 8080 (call it with local_test/predict.sh)
	SAGEMAKER_BASE_DIR=build/demo $(BIN)/python -Iu -m serve

test: $(READY) ## run the tests and the examples in the docstrings
	$(BIN)/python -m pytest -q $(PARALLEL) --doctest-modules --ignore tests/local_mode/scripts --ignore tests/rehearsal/scripts tests src

check: lint types imports house ## lint, check types, import rules and house rules

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports --no-cache

house: $(READY)
	$(BIN)/python -m pytest -q tests/unit/test_house.py

format: $(READY) ## format the code and mend what the linter can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(BENCH_READY) ## measure speed and memory beside the peers
	$(BIN)/python -u bench/run.py

fuzz: $(READY) ## send 100,000 made-up bodies to every kind of model
	$(BIN)/python -m tests.soak.fuzz --bodies 100000

chaos: $(READY) ## kill workers under load, and drivers and folds as processes and in a simulation; count what is lost
	$(BIN)/python -m tests.soak.chaos --seconds 30
	$(BIN)/python -m tests.soak.siblings_chaos --runs 20
	$(BIN)/python -m tests.simulation.chaos --runs 1000

simulate: $(READY) ## show what sibling fold jobs cost as drivers and folds grow, in virtual time
	$(BIN)/python -m tests.simulation.cost

plane-load: $(READY) ## run 50 training jobs at once on the local control plane, twice, and ask it how they are
	$(BIN)/python -m tests.soak.plane_load --jobs 50 --rounds 2

build: ## build the image IMAGE:latest (BASE_IMAGE=… for another base)
	DOCKER_BUILDKIT=1 $(DOCKER) build --file docker/Dockerfile --build-arg REQUIREMENTS="$(REQUIREMENTS)" \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		$(BUILD_OPTIONS) --tag $(IMAGE):$(VERSION) --tag $(IMAGE):latest .

base-image: ## make a stand-in base from Debian's packages, where no registry can be reached
	DOCKER=$(DOCKER) docker/base_image.sh $(STAND_IN)

sizes: ## show what each package in the image costs, and why it is in
	DOCKER=$(DOCKER) $(PYTHON) docker/sizes.py $(IMAGE):latest

sbom: $(AUDIT_READY) ## write build/sbom.cdx.json: what the image contains (CycloneDX)
	DOCKER=$(DOCKER) $(AUDIT_VENV)/bin/python -I docker/sbom.py $(IMAGE):latest build/contents build/sbom.cdx.json \
		$(addprefix requirements/,$(REQUIREMENTS))

scan: sbom ## look up known vulnerabilities of the image's Python packages (needs HTTPS to api.osv.dev)
	$(AUDIT_VENV)/bin/pip-audit --progress-spinner off --vulnerability-service osv --path build/contents/lib/python3.*/site-packages $(SCAN_OPTIONS)

smoke: $(READY) ## hold the image against SageMaker's contract (IMAGE=… for any other)
	$(BIN)/python -m local_test.conformance --docker $(DOCKER) --image $(IMAGE)

test-image: $(READY) ## run the tests of the image's contents
	CROSSFOLD_IMAGE=$(IMAGE):latest DOCKER=$(DOCKER) $(BIN)/python -m pytest -q $(PARALLEL) tests/image

test-local-mode: $(READY) ## run the image by SageMaker's SDKs, versions 2 and 3, in their local mode
	PYTHON=$(PYTHON) tests/local_mode/environment.sh 2 && PYTHON=$(PYTHON) tests/local_mode/environment.sh 3
	CROSSFOLD_IMAGE=$(IMAGE):latest DOCKER=$(DOCKER) $(BIN)/python -m pytest -q tests/local_mode

test-rehearsal: $(READY) ## run the SDKs' own scripts against the local control plane, as processes and in the image (IMAGE= without it)
	PYTHON=$(PYTHON) tests/local_mode/environment.sh 2 && PYTHON=$(PYTHON) tests/local_mode/environment.sh 3
	CROSSFOLD_REHEARSAL=1 CROSSFOLD_IMAGE=$(if $(IMAGE),$(IMAGE):latest) DOCKER=$(DOCKER) $(BIN)/python -m pytest -q tests/rehearsal

test-browser: $(READY) ## open the control plane's page in a real browser (Chromium on the PATH, or CHROMIUM=…)
	CROSSFOLD_BROWSER=1 $(BIN)/python -m pytest -q tests/browser

test-script-mode: $(READY) $(SCRIPT_READY) ## run the tests of script mode with sagemaker-training itself (needs a C compiler)
	CROSSFOLD_SCRIPT_MODE_PYTHON=$(abspath $(SCRIPT_VENV))/bin/python $(BIN)/python -m pytest -q tests/unit/test_script_*.py tests/functional/test_script_mode.py

test-pytorch: $(READY) ## run the PyTorch example, where pip has a wheel of PyTorch at hand
	tests/functional/torch_environment.sh
	$(BIN)/python -m pytest -q -rs tests/functional/test_pytorch_script.py

push: $(READY) ## push IMAGE:latest to ECR under its version and commit (DRY_RUN=1 only shows how)
	$(BIN)/python -I docker/push.py $(IMAGE):latest --repository $(REPOSITORY) --version $(VERSION) --docker $(DOCKER) \
		--region "$(AWS_REGION)" --uri-file build/image-uri $(if $(DRY_RUN),--dry-run)

rehearse: $(READY) ## run a small tuning job of cross-validated trials on a SageMaker of this machine (REHEARSE="--launcher sagemaker": every fold a job)
	$(BIN)/python -m local_test.control_plane.rehearse $(REHEARSE)

verify-aws: $(READY) ## hold the local control plane against SageMaker: show plan and cost (VERIFY=--plane tries it, VERIFY=--yes pays)
	$(BIN)/python -m local_test.verify_aws $(VERIFY)

conformance: $(READY) ## hold this checkout against the same contract, without Docker
	$(BIN)/python -m local_test.conformance

lock: ## write requirements/*.txt anew from requirements/*.in (UPGRADE=--upgrade for newer versions)
	$(PYTHON) -m venv $(LOCK_VENV) && $(LOCK_VENV)/bin/pip $(PIP_COMMAND) --require-hashes -r requirements/lock.txt
	$(foreach file,$(LOCKED),$(COMPILE) $(file:.txt=.in) --output-file $(file) &&) true
	$(COMPILE) --override requirements/bench-mlserver-override.in requirements/bench-mlserver.in --output-file requirements/bench-mlserver.txt

clean: ## remove .venv and everything that make and the tools left; your jobs stay
	rm -rf $(VENV) $(LOCK_VENV) dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache $(filter-out $(JOBS),$(wildcard build/*))
	@rmdir build 2>/dev/null || true
	@$(foreach folder,$(wildcard $(JOBS)),echo "left: $(folder) (make clean-jobs removes it)";) true

clean-jobs: ## remove what your own jobs left in build/control_plane, build/verify-aws and local_test/opt_ml
	rm -rf $(JOBS)

$(DEMO_MODEL): | $(READY)
	$(MAKE) --no-print-directory demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11, 3.12 or 3.13 is needed, but $(PYTHON) is {v[0]}.{v[1]}; say make PYTHON=/path/to/python3.12 …")'
	@echo "$(VENV): making the environment (3 s)"
	@$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml requirements/runtime.txt requirements/dev.txt | $(VENV)/bin/python
	@echo "$(VENV): installing the packages of requirements/runtime.txt and dev.txt (40 s, longer on a slow network)"
	@$(PIP_INSTALL) --require-hashes -r requirements/runtime.txt -r requirements/dev.txt
	@echo "$(VENV): installing this checkout, editable (3 s)"
	@$(PIP_INSTALL) --no-build-isolation --no-deps --no-index --editable . && touch $@

$(BENCH_READY): requirements/bench.txt $(READY)
	@echo "$(VENV): installing the peers of requirements/bench.txt (10 s)"
	@$(PIP_INSTALL) --require-hashes -r requirements/bench.txt && touch $@

$(AUDIT_READY): requirements/audit.txt
	$(PYTHON) -m venv --clear $(AUDIT_VENV)
	$(AUDIT_VENV)/bin/python -m pip $(PIP_COMMAND) --require-hashes -r $< && touch $@

# Our own code comes from the checkout, by a path file: pip would need the build backend here too.
$(SCRIPT_READY): requirements/runtime.txt requirements/script-mode.txt
	$(PYTHON) -m venv --clear $(SCRIPT_VENV)
	$(SCRIPT_VENV)/bin/python -m pip $(PIP_COMMAND) --require-hashes -r requirements/runtime.txt -r requirements/script-mode.txt
	echo $(abspath src) > "$$(echo $(SCRIPT_VENV)/lib/python3.*/site-packages)/crossfold.pth" && touch $@
