#!/usr/bin/env bash
# Makes the environment of the reference corruptions, `imagecorruptions` 1.1.2, in .deps/imagecorruptions.
# scikit-image 0.18.3 has no wheel for Python 3.11 and is built, which takes some minutes.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

venv=${1:-.deps/imagecorruptions}
if [ -e "$venv/ready" ]; then
    exit 0
fi
echo "reference_env: making $venv (some minutes)"
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'setuptools<60' wheel 'numpy==1.26.4' 'Cython<3' pythran
"$venv/bin/python" -m pip install --quiet 'scipy==1.17.1' 'opencv-python-headless==4.11.0.86' 'pillow==13.0.0' 'imageio==2.38.1' \
    'tifffile==2026.3.3' 'networkx==3.6.1' 'pywavelets==1.9.0' 'matplotlib==3.11.2'
"$venv/bin/python" -m pip install --quiet --no-build-isolation --no-deps 'scikit-image==0.18.3'
"$venv/bin/python" -m pip install --quiet --no-deps 'imagecorruptions==1.1.2'
"$venv/bin/python" -c 'import imagecorruptions'
touch "$venv/ready"
