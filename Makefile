# Each target sets up its own virtual environment, pinned by constraints.txt.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready

OLD := .venv-tf215
SUBSET := tests/ops tests/native tests/devices tests/layers tests/losses tests/networks tests/training tests/runs/test_loop.py

.PHONY: quickstart quickstart-stylegan2 test quick-test test-tf215 lint bench clean

$(READY): setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[metrics,data,export,demo,video,dev]'
	$(RUN) -m pip install --quiet --no-deps lpips==0.1.4  # its weights only; it asks for PyTorch
	touch $(READY)

quickstart: $(READY)  ## compress the bundled BigGAN teacher, minutes on two cores
	$(RUN) -m dglgan_tf.compress --gin_file=gin/quickstart.gin

quickstart-stylegan2: $(READY)  ## the same with StyleGAN2
	$(RUN) -m dglgan_tf.compress --gin_file=gin/quickstart_stylegan2.gin

test: $(READY)  ## all tests
	$(RUN) -m pytest -n 2 --dist loadfile

quick-test: $(READY)  ## what takes a few seconds each
	$(RUN) -m pytest -n 2 --dist loadfile -m 'not slow'

test-tf215:  ## a quick subset on the oldest supported TensorFlow; Python 3.10 or 3.11
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/python -m pip install --quiet --constraint constraints-tf215.txt --editable '.[metrics,data,dev]'
	$(OLD)/bin/python -m pytest -n 2 --dist loadfile -m 'not slow' $(SUBSET)

lint: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

bench: $(READY)  ## speed and memory, JSON lines
	$(RUN) -m benchmarks.run

clean:
	rm -rf $(VENV) $(OLD)
