#!/usr/bin/env bash
# Sets up the simulator: Panda3D in a virtual environment of its own, .deps/sim, and MetaDrive's assets in it
# (about 62 MB to fetch). scripts/setup.sh comes first. Does nothing if everything is there.
#
# The environment sees the packages of the ROS 2 environment through a .pth file: the bridge needs both in one process.
set -euo pipefail
# shellcheck source=scripts/setup/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/setup/lib.sh"

# Panda3D opens EGL by itself; Mesa renders where there is no GPU.
packages=(libegl1 libgl1 libgl1-mesa-dri)
metadrive='metadrive-simulator==0.3.0.1'
metadrive_sha256='04f10b014043a56ffa7780eb82239a65c1cec55887cb98010c86fbf98c0460bc'
requirements=$root/sim/requirements.txt
sim=$deps/sim

case ${1:-} in
    '') ;;
    *)
        printf 'usage: scripts/setup_sim.sh (%s)\n' 'the simulator in .deps/sim; scripts/setup.sh comes first' >&2
        [ "$1" = -h ] || [ "$1" = --help ] || exit 2
        exit 0
        ;;
esac

# shellcheck source=scripts/env.sh
. "$root/scripts/env.sh"
mkdir -p "$stamps" "$logs"
key=$(key_of "${BASH_SOURCE[0]}" "$requirements")
if is_done sim "$key"; then
    say 'the simulator is in place'
    exit 0
fi
begin sim

if command -v dpkg-query >/dev/null; then
    missing=()
    for package in "${packages[@]}"; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = 'install ok installed' ] || missing+=("$package")
    done
    if [ ${#missing[@]} -ne 0 ]; then
        as_root=()
        [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
        say "installing system packages: ${missing[*]}"
        quietly sim-apt "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -q --no-install-recommends "${missing[@]}"
    fi
fi

say "making $sim"
rm -rf -- "$sim"
quietly sim-venv "$ROADPROOF_PYTHON" -m venv --system-site-packages "$sim"
site=$("$sim/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$ROADPROOF_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/roadproof_ros.pth"
quietly sim-pip "$sim/bin/python" -m pip install --no-deps --require-hashes -r "$requirements"

say "fetching the assets of $metadrive"
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
# Only assets are taken: neither its code nor its dependencies, so its limit on Python's version does not matter.
quietly sim-metadrive "$sim/bin/python" -m pip download --no-deps --ignore-requires-python --only-binary=:all: \
    --dest "$work" "$metadrive"
wheel=$(echo "$work"/*.whl)
found=$(sha256sum <"$wheel" | cut -d ' ' -f 1)
[ "$found" = "$metadrive_sha256" ] || die "$metadrive: expected sha256 $metadrive_sha256, found $found"
"$sim/bin/python" -m zipfile --extract "$wheel" "$work/wheel"
mkdir -p "$sim/metadrive"
mv -- "$work/wheel/metadrive/assets" "$sim/metadrive/assets"
cp -- "$work"/wheel/*.dist-info/LICENSE.txt "$sim/metadrive/LICENSE.txt"

finish sim "$key"
say 'the simulator is in place: . scripts/env.sh, then PYTHONPATH=sim:$PYTHONPATH .deps/sim/bin/python -m roadproof_sim'
