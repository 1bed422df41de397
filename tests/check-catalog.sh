#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-catalog.sh CATALOG SOURCE
# The catalog compiles, and explains exactly the events that SOURCE writes.
set -eu

catalog=$1 source=$2
failed=0

in_source=$(grep -o '"[0-9a-f]\{32\}"' "$source" | tr -d '"' | sort)
in_catalog=$(sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' "$catalog" | sort)
[ -n "$in_source" ] || { echo "not ok: no MESSAGE_ID in $source"; failed=1; }
[ "$in_source" = "$in_catalog" ] ||
  { printf 'not ok: source:\n%s\ncatalog:\n%s\n' "$in_source" "$in_catalog"; failed=1; }

if ! command -v journalctl >/dev/null; then
  [ "$failed" = 0 ] || exit 1
  echo "journalctl is missing"
  exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/usr/lib/systemd/catalog" "$scratch/var/lib/systemd/catalog"
cp "$catalog" "$scratch/usr/lib/systemd/catalog/"
journalctl --update-catalog --root="$scratch" > "$scratch/log" 2>&1 || { echo "not ok: it does not compile"; failed=1; }
listed=$(journalctl --list-catalog --root="$scratch" 2>>"$scratch/log" | cut -d' ' -f1 | sort)
[ "$listed" = "$in_catalog" ] || { cat "$scratch/log"; echo "not ok: journalctl lists: $listed"; failed=1; }
exit $failed
