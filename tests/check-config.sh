#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-config.sh TABLE CONFIGURATION MANUAL-PAGE
# The shipped configuration and the manual page name every key of the daemon's table, with its default.
set -eu

table=$1 configuration=$2 manual=$3
failed=0
count=0

rows=$(sed -n 's/^  { "\([a-z]*\)", "\([a-z-]*\)", KEY_[A-Z]*, "\([^"]*\)".*/\2=\3/p
  s/^  { MEFOTA_CONFIG_GROUP_MODULE, "\([a-z-]*\)", KEY_[A-Z]*, "\([^"]*\)".*/\1=\2/p
  s/^  { MEFOTA_CONFIG_GROUP_MODULE, "\([a-z-]*\)", KEY_[A-Z]*, NULL.*/\1=/p' "$table")
for row in $rows; do
  count=$((count + 1))
  key=${row%%=*} value=${row#*=}
  # without a default of its own a key is shown with an example
  grep -q "^#$key=${value:-.}" "$configuration" || { echo "not ok: $configuration: no #$row"; failed=1; }
  sed 's/\\-/-/g' "$manual" | grep -q "^\.BR\? $key=\( $value\)\?$" || { echo "not ok: $manual: no $row"; failed=1; }
done
sed -n 's/^#\([a-z-]*\)=.*/\1/p' "$configuration" | while read -r key; do
  echo "$rows" | grep -q "^$key=" || { echo "not ok: $configuration: $key is no key"; exit 1; }
done || failed=1
[ "$count" -ge 14 ] || { echo "not ok: only $count keys found in $table"; failed=1; }
exit $failed
