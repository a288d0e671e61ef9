# The front door. Works with GNU make 3.81 and newer; each goal sets up what it needs by itself.

PYTHON_IN_VENV := .venv/bin/python
# What belongs to the tests' own command line: make test ARGS="-k keys"
ARGS :=
# A test that hangs is ended and says where it was; by a thread, since some tests use the alarm signal themselves.
HANGS := --timeout=300 --timeout-method=thread
# Processes that share the suite: make test WORKERS=0 runs it in one, in order.
WORKERS := logical
# Benchmarks are run once here, and not measured.
SHARED := --numprocesses=$(WORKERS) --dist=worksteal --benchmark-disable
# For each target of make fuzz.
SECONDS := 10

# Two set-ups at once would build in one place.
.NOTPARALLEL:
.PHONY: help demo test test-pythons check check-python check-c sanitize fuzz mutants faults soak release-check
.PHONY: bench bench-core bench-handshakes bench-load bench-clients report peers docs build clean
.PHONY: setup setup-test setup-check setup-fuzz setup-prove setup-bench setup-report setup-docs

help: ## show this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-24s%s\n", $$1, $$2 }'

demo: setup ## set up, then send real files both ways with every cipher and show a table
	@$(PYTHON_IN_VENV) tools/demo.py

test: setup-test ## set up, then run the whole test suite (ARGS="..." goes to pytest)
	@$(PYTHON_IN_VENV) -m pytest $(HANGS) $(SHARED) $(ARGS)

test-pythons: ## the suite and the demo under every Python from 3.11 to 3.14 that can be had here (ARGS="...")
	@tools/test_pythons.sh $(ARGS)

check: check-python check-c ## format, lint, types, and the C core under gcc and clang, warnings as errors

check-python: setup-check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

check-c: setup-check
	tools/check_c.sh

sanitize: setup-prove ## the core under ASan, UBSan, valgrind and gcc's analyzer, and how much the tests cover (ARGS="core")
	@$(PYTHON_IN_VENV) -m tests.sanitize $(ARGS)

fuzz: setup-fuzz ## every parser and both peers under libFuzzer, SECONDS=10 for each target
	@$(PYTHON_IN_VENV) -m tests.fuzz --seconds $(SECONDS) $(ARGS)

mutants: setup-prove ## hundreds of small patches to security decisions, each of which the tests must notice
	@$(PYTHON_IN_VENV) -m tests.mutants $(ARGS)

faults: setup-prove ## kill and error at every system call, cuts at every byte, a full disk, no memory
	@$(PYTHON_IN_VENV) -m tests.faults $(ARGS)

soak: setup-test ## 2,000 sessions, 64 at once (ARGS="--sessions 100000"): memory and descriptors stay flat
	@$(PYTHON_IN_VENV) -m tests.soak $(ARGS)

release-check: check setup-prove ## all of these, and their figures into docs/TESTING.md; half an hour and more
	@$(PYTHON_IN_VENV) -m tests.prove $(ARGS)

bench: setup-bench ## what each layer costs, from the cipher to the command line; two minutes (ARGS="--bench-1g")
	@$(PYTHON_IN_VENV) -m pytest --benchmark-only $(ARGS)

bench-core: setup-bench ## the C core beside the libcrypto under it
	@$(PYTHON_IN_VENV) -m bench.core $(ARGS)

bench-handshakes: setup-bench ## handshakes a second on one processor
	@$(PYTHON_IN_VENV) -m bench.handshakes $(ARGS)

bench-load: setup-bench ## what a server holds after 100,000 handshakes, and who gets in while it is attacked
	@$(PYTHON_IN_VENV) -m bench.load $(ARGS)

bench-clients: setup-bench ## eight clients at once, and what a connection costs in memory
	@$(PYTHON_IN_VENV) -m bench.clients $(ARGS)

report: setup-report ## measure, and write build/report/ with table and plots; takes some minutes
	@$(PYTHON_IN_VENV) -m bench.report $(ARGS)

peers: setup ## compare with scp, rsync, curl and others, installed where possible; takes some minutes
	@$(PYTHON_IN_VENV) -m bench.peers $(ARGS)

docs: setup-docs ## build the documentation: build/docs/html/index.html, and the man pages in build/docs/man
	@$(PYTHON_IN_VENV) -m sphinx -q -W --keep-going -b html docs build/docs/html
	@$(PYTHON_IN_VENV) -m sphinx -q -W --keep-going -b man docs build/docs/man
	@echo "build/docs/html/index.html"

build: setup ## build the wheel into dist/
	@$(PYTHON_IN_VENV) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove all that these commands made, the virtual environment included
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -f secftp/_core.c secftp/_core*.so tests/seamed/_core_seamed*.so bench/native/_native*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@tools/setup.sh

setup-test:
	@tools/setup.sh test

setup-check:
	@tools/setup.sh test check

setup-prove:
	@tools/setup.sh --tool valgrind --tool strace test prove

setup-fuzz:
	@tools/setup.sh test prove

setup-bench:
	@tools/setup.sh bench

setup-report:
	@tools/setup.sh report

setup-docs:
	@tools/setup.sh docs
