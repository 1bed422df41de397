#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-unit.sh UNIT
# The service file: systemd takes every line of it, and its exposure stays below the threshold (tenths).
set -eu

unit=$1
threshold=12
PATH=$PATH:/usr/sbin:/sbin

if ! command -v systemd-analyze >/dev/null || ! systemd-analyze security --help | grep -q offline; then
  echo "systemd-analyze is missing, or too old for security --offline"
  exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The program need not be installed yet.
sed 's,^ExecStart=[^ ]*,ExecStart=/bin/true,' "$unit" > "$scratch/mefotad.service"

failed=0
systemd-analyze verify --man=no "$scratch/mefotad.service" > "$scratch/verify" 2>&1 || failed=1
# Other units of the machine may have faults of their own.
if grep mefotad.service "$scratch/verify"; then failed=1; fi
[ "$failed" = 0 ] || { cat "$scratch/verify"; echo "not ok: systemd-analyze verify"; }

systemd-analyze security --offline=true --no-pager --threshold="$threshold" "$scratch/mefotad.service" \
  > "$scratch/security" || { cat "$scratch/security"; echo "not ok: exposure"; failed=1; }
tail -n 1 "$scratch/security"

# What would break it, whatever the score says (udev's events; the ports).
for setting in PrivateNetwork PrivateDevices; do
  ! grep -qi "^$setting=\(yes\|true\|1\)" "$unit" || { echo "not ok: $setting"; failed=1; }
done
exit $failed
