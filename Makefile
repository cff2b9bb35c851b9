# make demo   a small BSR trained, tested and compared with bicubic: minutes on a CPU
# make env    the environment in .venv        make test    every check and the whole test suite (WORKERS=8)
# make lint   style and types alone           make clean   removes the environment and what was built
# make docs   the site in build/docs          make figures   the pictures and tables of README and docs
# make browser   Chromium and ChromeDriver, which the tests of the report's page drive; needs apt-get and root
# make model NAME=x3   one of the models that ship, trained again (options/pretrained/models.mk)
# make gpu    on a machine with a GPU and no network, with an interpreter that has torch: the tests marked gpu, then the
#             benchmarks, one table (PYTHON=python3 WHEELS=FOLDER ONLY="tests train data")
# make wheels WHEELS=FOLDER   the packages that make gpu may lack there, for the same Python
# Another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
# Threads that wait give their core away: where other work goes on, training is several times faster for it.
export OMP_WAIT_POLICY ?= PASSIVE

venv := .venv
python := $(venv)/bin/python
bsr := $(venv)/bin/bsr
pip := $(python) -m pip --disable-pip-version-check
pins := -c requirements/constraints.txt
# Written last, so that an interrupted installation does not count; named after the interpreter it was made with.
made := $(venv)/made-with-python-$(shell "$(PYTHON)" -c 'import platform; print(platform.python_version())' 2>/dev/null)
sources := Makefile requirements/constraints.txt requirements/basicsr-build/sitecustomize.py bsr_plugin/__init__.py \
	setup.py pyproject.toml startup/bsr_plugin.pth startup/bsr_plugin_hook.py

.PHONY: env demo test lint docs figures browser gpu wheels clean
.DEFAULT_GOAL := test

env: $(made)

$(made): $(sources)
	@command -v "$(PYTHON)" > /dev/null || { echo "There is no interpreter $(PYTHON): name one with PYTHON=python3.11." >&2; exit 2; }
	@"$(PYTHON)" -c "import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v[:2] <= (3, 13) else \
	'bsr_plugin needs Python 3.10 to 3.13, and $(PYTHON) is %d.%d: name another with PYTHON=python3.11.' % v[:2])"
	@"$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) cannot make environments: install ensurepip and venv \
	(Debian: python3-venv)." >&2; exit 2; }
	@# An environment that was complete is brought up to date; any other is made anew.
	@if [ -f "$@" ]; then rm "$@"; else rm -rf $(venv) && "$(PYTHON)" -m venv $(venv); fi
	$(pip) install -q $(pins) pip setuptools wheel
	$(pip) install $(pins) torch
	$(pip) install -q $(pins) torchvision numpy cython
	PYTHONPATH="$(CURDIR)/requirements/basicsr-build" $(pip) install $(pins) --no-build-isolation basicsr
	$(pip) install -q $(pins) --no-build-isolation -e '.[dev]'
	@touch "$@"

sample := datasets/sample
results := results/BSR_sample_x2
pictures := visualization/held-out
# What the BSR x2 that ships does on the same photographs, where one ships.
ships := $(wildcard bsr_plugin/weights/bsr_x2.safetensors)

demo: env
	$(bsr) sample --out $(sample)
	$(bsr) prepare $(sample)/train --out $(sample) --scale 2 --lr-window 24
	$(bsr) prepare $(sample)/test --out $(sample)/held-out --scale 2 --encoding files
	$(python) basicsr/train.py -opt options/sample/train_BSR_sample_x2.yml
	$(python) basicsr/test.py -opt options/sample/test_BSR_sample_x2.yml
	$(if $(ships),$(python) basicsr/test.py -opt options/sample/test_BSR_sample_x2_shipped.yml)
	$(bsr) report $(results) $(if $(ships),$(results)_shipped) --out demo
	$(bsr) compare $(results)/$(pictures) --label "trained for three minutes" \
		$(if $(ships),--beside "pretrained=$(results)_shipped/$(pictures)") --hr $(sample)/test --scale 2 \
		--picture demo/crops.png --name demo --images "held-out photographs"

include options/pretrained/models.mk

# Processes that share the tests: one for each core that is free.
WORKERS ?= 2
pytest := $(python) -m pytest --numprocesses $(WORKERS) --dist worksteal

# Without a browser the suite runs without the tests that are marked so, and says it.
has_browser := command -v chromedriver > /dev/null && \
	{ command -v chromium || command -v chromium-browser || command -v google-chrome; } > /dev/null

test: lint
	@$(python) -c 'import sys, torch; sys.exit(torch.cuda.is_available())' && \
	echo "No GPU here: the tests marked gpu are left out (make gpu on a machine that has one)." || true
	@{ $(has_browser); } || [ "$$(id -u)" != 0 ] || $(MAKE) --no-print-directory browser || true
	@if { $(has_browser); }; then set -x; $(pytest); else \
	echo "No Chromium with ChromeDriver here: the tests of the page in a browser are left out (make browser)."; \
	set -x; $(pytest) -m "not browser"; fi

gpu:
	@"$(PYTHON)" tests/on_gpu.py $(if $(WHEELS),--wheels "$(WHEELS)") $(if $(ONLY),--only $(ONLY))

wheels: env
	$(pip) freeze --exclude-editable --exclude torch --exclude torchvision | grep -v -e ^nvidia -e ^triton > $(venv)/wheels.txt
	PYTHONPATH="$(CURDIR)/requirements/basicsr-build" \
	$(pip) wheel --no-deps --no-build-isolation -r $(venv)/wheels.txt -w "$(or $(WHEELS),build/wheels)"

browser:
	@{ $(has_browser); } || { command -v apt-get > /dev/null && \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core; } || \
	{ echo "Chromium cannot be installed here: install it and ChromeDriver with your system's tools." >&2; exit 1; }

docs: env
	$(pip) install -q $(pins) -e '.[docs]' --no-build-isolation
	$(python) -m sphinx -q -b html -W --keep-going docs build/docs

figures: env
	$(bsr) evidence docs/studies --out docs/evidence.md
	$(python) docs/tables.py
	rm -rf build/figures
	$(bsr) sample --out $(sample)
	$(bsr) prepare $(sample)/train --out build/figures --scale 2 --lr-window 48
	$(bsr) figure batches build/figures/LR_bicubic_x2.lmdb --seed 0 -o docs/pictures/batches.png
	mkdir -p build/figures/photographs && cp $(sample)/test/astronaut.png build/figures/photographs
	$(bsr) prepare build/figures/photographs --out build/figures --scale 2 --encoding files
	$(bsr) upscale build/figures/LR_bicubic_x2 -o build/figures/photograph --scale 2 --overwrite
	$(bsr) compare build/figures/photograph --hr build/figures/photographs --scale 2 --picture docs/pictures/crops.png

lint: env
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

clean:
	rm -rf $(venv) build dist docs/api *.egg-info .ruff_cache .mypy_cache .pytest_cache .hypothesis
