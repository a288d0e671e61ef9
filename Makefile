# Development commands. For GNU make 3.81 and newer; each target sets up what it needs.

PYTHON_IN_VENV := .venv/bin/python
# Further arguments of the command: make test ARGS="-k keys"
ARGS :=
# A hanging test is aborted with its stack; by a thread, because some tests use SIGALRM themselves.
HANGS := --timeout=300 --timeout-method=thread
# Worker processes of pytest-xdist: one more than there are processors, since many tests wait for processes and timeouts.
# make test WORKERS=0 runs the suite in one process, in order.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PARALLEL := --numprocesses=$(WORKERS) --dist=worksteal
# Benchmarks are run once here, without measuring.
SHARED := $(PARALLEL) --benchmark-disable
# The environment of make test-data, one for each PYTHON: the libraries are large, and the suite has to pass without them.
DATA_VENV := build/data/$(subst /,_,$(or $(PYTHON),default))
# Likewise of make test-machines.
MACHINES_VENV := build/machines/$(subst /,_,$(or $(PYTHON),default))
# Per target of make fuzz.
SECONDS := 10

# Two concurrent set-ups would build in the same directory.
.NOTPARALLEL:
.PHONY: help demo test test-data test-machines test-line test-pythons check check-python check-c sanitize fuzz mutants faults soak release-check
.PHONY: bench bench-core bench-handshakes bench-load bench-clients bench-line bench-aio bench-fsspec bench-objects bench-million report peers docs build clean
.PHONY: setup setup-test setup-check setup-fuzz setup-prove setup-bench setup-report setup-docs
.PHONY: setup-data setup-machines

help: ## show this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-24s%s\n", $$1, $$2 }'

demo: setup ## set up, transfer files in both directions with every cipher, and print a table
	@$(PYTHON_IN_VENV) tools/demo.py

test: setup-test ## set up, then run the whole test suite (ARGS="..." is passed to pytest)
	@$(PYTHON_IN_VENV) -m pytest $(HANGS) $(SHARED) $(ARGS)

test-data: setup-data ## pandas, pyarrow, polars, dask, duckdb, zarr, xarray and others on secftp:// URLs (ARGS="...", PYTHON=...)
	@$(DATA_VENV)/bin/python -m pytest $(HANGS) tests/data $(ARGS)

test-machines: setup-machines ## object stores, several servers, HAProxy, Redis: real ones, as processes (ARGS="...", PYTHON=...)
	@$(MACHINES_VENV)/bin/python -m pytest $(HANGS) $(PARALLEL) tests/machines $(ARGS)

test-line: setup-test ## transfers over an emulated line with delay and loss; needs root (ARGS="...")
	@$(PYTHON_IN_VENV) -m tests.line $(ARGS)

test-pythons: ## run the suite and the demo under each available Python from 3.11 to 3.14 (ARGS="...")
	@tools/test_pythons.sh $(ARGS)

check: check-python check-c ## format, lint, types, and the C core under gcc and clang; warnings are errors

check-python: setup-check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

check-c: setup-check
	tools/check_c.sh

sanitize: setup-prove ## the core under ASan, UBSan, valgrind and gcc's analyzer, and test coverage (ARGS="core")
	@$(PYTHON_IN_VENV) -m tests.sanitize $(ARGS)

fuzz: setup-fuzz ## fuzz every parser and both peers with libFuzzer, SECONDS=10 per target
	@$(PYTHON_IN_VENV) -m tests.fuzz --seconds $(SECONDS) $(ARGS)

mutants: setup-prove ## mutation testing: every patched security decision has to be detected by the tests
	@$(PYTHON_IN_VENV) -m tests.mutants $(ARGS)

faults: setup-prove ## kills and errors at every system call, cuts at every byte, full disk, out of memory
	@$(PYTHON_IN_VENV) -m tests.faults $(ARGS)

soak: setup-test ## 2,000 sessions, 64 at once: memory and descriptors stay constant (ARGS="--sessions 100000")
	@$(PYTHON_IN_VENV) -m tests.soak $(ARGS)

release-check: check setup-prove ## all of the above; updates the figures in docs/TESTING.md; half an hour and more
	@$(PYTHON_IN_VENV) -m tests.prove $(ARGS)

bench: setup-bench ## cost of each layer, from the cipher to the command line; two minutes (ARGS="--bench-1g")
	@$(PYTHON_IN_VENV) -m pytest --benchmark-only $(ARGS)

bench-core: setup-bench ## the C core compared with the libcrypto it uses
	@$(PYTHON_IN_VENV) -m bench.core $(ARGS)

bench-handshakes: setup-bench ## handshakes per second on one processor
	@$(PYTHON_IN_VENV) -m bench.handshakes $(ARGS)

bench-load: setup-bench ## memory of a server after 100,000 handshakes, and clients admitted during attacks
	@$(PYTHON_IN_VENV) -m bench.load $(ARGS)

bench-clients: setup-bench ## eight concurrent clients, and memory per connection
	@$(PYTHON_IN_VENV) -m bench.clients $(ARGS)

bench-line: setup-bench ## over an emulated line of 100 ms, compared with scp, rsync and others; needs root
	@$(PYTHON_IN_VENV) -m bench.line $(ARGS)

bench-aio: setup-bench ## the asyncio client, compared with the blocking one and with asyncssh
	@$(PYTHON_IN_VENV) -m bench.aio $(ARGS)

bench-fsspec: setup-bench ## what a program does through fsspec, over an emulated line of 50 ms and on loopback
	@$(PYTHON_IN_VENV) -m bench.fsspec $(ARGS)

bench-objects: setup-bench ## one server and two of an object store that answers after 50 ms (ARGS="--latency 0.1")
	@$(PYTHON_IN_VENV) -m bench.objects $(ARGS)

bench-million: setup-bench ## listings and updates of many files, and memory at both ends (ARGS="--files 1000000 --store 0")
	@$(PYTHON_IN_VENV) -m bench.million $(ARGS)

report: setup-report ## measure this machine; table and plots in build/report/; some minutes
	@$(PYTHON_IN_VENV) -m bench.report $(ARGS)

peers: setup ## compare with scp, rsync, curl and others, installed where possible; some minutes
	@$(PYTHON_IN_VENV) -m bench.peers $(ARGS)

docs: setup-docs ## build the documentation in build/docs/html, and the man pages in build/docs/man
	@$(PYTHON_IN_VENV) -m sphinx -q -W --keep-going -b html docs build/docs/html
	@$(PYTHON_IN_VENV) -m sphinx -q -W --keep-going -b man docs build/docs/man
	@echo "build/docs/html/index.html"

build: setup ## build the wheel in dist/
	@$(PYTHON_IN_VENV) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove everything these commands created, including the virtual environment
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

setup-data:
	@tools/setup.sh --venv $(DATA_VENV) data

setup-machines:
	@tools/setup.sh --tool haproxy --tool redis-server --venv $(MACHINES_VENV) machines

setup-bench:
	@tools/setup.sh bench

setup-report:
	@tools/setup.sh report

setup-docs:
	@tools/setup.sh docs
