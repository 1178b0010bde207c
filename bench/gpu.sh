#!/usr/bin/env bash
# What a person with an NVIDIA card runs, in a clone of this repository, and sends back: some five minutes, most of it
# downloads. Nothing outside the folder npfuse-gpu is written but the figures for Table III in costmodel/cards.json.
# PYTHON names a Python of 3.11 or newer (python3 by default); EXTRA=cuda12 is for drivers older than 580.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
"${PYTHON:-python3}" -m venv npfuse-gpu
npfuse-gpu/bin/pip install --quiet -e ".[${EXTRA:-cuda},test]" torch nvidia-cuda-nvcc
npfuse-gpu/bin/python -m pytest -q -m card tests/cuda 2>&1 | tee npfuse-gpu/tests.txt
npfuse-gpu/bin/python -m bench.ptx | tee npfuse-gpu/ptx.txt
npfuse-gpu/bin/python -m bench.gpu --record --json npfuse-gpu/times.json | tee npfuse-gpu/times.txt
npfuse-gpu/bin/python -m costmodel report | sed -n '/Ours (GPU)/,/^$/p'
echo "Please send back: npfuse-gpu/*.txt npfuse-gpu/times.json costmodel/cards.json"
