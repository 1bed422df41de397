# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests/demo and tests/run: the Debian packages they need, installed if we are root and named if not.

build_packages='gcc libc6-dev meson ninja-build pkg-config libglib2.0-dev libsystemd-dev libgudev-1.0-dev dbus'
# What single tests use; a test whose program is missing is skipped.
test_packages="$build_packages adb clang libclang-rt-14-dev libumockdev-dev umockdev udev systemd libxml2-utils man-db
  python3 python3-dbusmock polkitd xsltproc docbook-xsl valgrind gcovr lrzsz procps duktape"

need_packages() {
  missing=
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "Missing Debian packages:$missing" >&2
    echo "Install them first: sudo apt-get install$missing" >&2
    return 1
  fi
  echo "Installing:$missing"
  log=$(mktemp)
  # shellcheck disable=SC2086
  { apt-get update &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } > "$log" 2>&1 ||
    { tail -20 "$log" >&2; rm -f "$log"; return 1; }
  rm -f "$log"
}
