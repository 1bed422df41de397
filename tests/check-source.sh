#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-source.sh SOURCE-DIRECTORY
# What no compiler looks at: licence lines, tabs, wide lines, long files, sleeping and jumping code, and options that
# the manual pages do not tell of.
set -eu

cd "$1"
LC_ALL=C.UTF-8
export LC_ALL
widest=121      # a line this long fails
longest=500     # a file longer than this is told
failed=0

complain () { echo "not ok: $*"; failed=1; }

# Neither git nor its index need be there: build folders and the packager's copies are left out by what they hold.
list () { find . \( -name '.?*' -o -path ./debian -o -type d -exec test -e '{}/build.ninja' \; \) -prune \
  -o -type f \( "$@" \) -print; }
code=$(list -name '*.[ch]')
[ "$(echo "$code" | wc -l)" -ge 100 ] || complain "only $(echo "$code" | wc -l) C files found in $1"

# shellcheck disable=SC2086
lacking=$(list -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name '*.xml' -o -name meson.build -o -name '*.in' \
  -o -name '*.[1578]' |
  xargs grep -L 'SPDX-License-Identifier: ' || :)
[ -z "$lacking" ] || complain "no licence line in $lacking"

# shellcheck disable=SC2086
{
  if grep -nP '\t' $code; then complain "tabs"; fi
  if grep -nE '[[:space:]]$' $code; then complain "blanks at the end of a line"; fi
  if grep -nE "^.{$widest}" $code; then complain "lines of $widest columns and more"; fi
  if grep -nE '\b(goto +[a-z_]+ *;|(u|nano|g_u)?sleep \()' $code; then complain "jumps or sleeps"; fi
  wc -l $code | awk -v longest="$longest" '$2 != "total" && $1 > longest { print "# " $2 " has " $1 " lines" }'
  lacking=$(echo "$code" | grep '\.h$' | xargs grep -L '^#pragma once' || :)
  [ -z "$lacking" ] || complain "no #pragma once in $lacking"
}

# options: { "name", 'n', flags, G_OPTION_ARG_..., and the client's commands: { "name", verb_name }
documented ()    # PAGE FILE...
{
  page=$1
  shift
  names=$(sed -n 's/^ *{ "\([a-z0-9-]*\)", .*G_OPTION_ARG_.*/--\1/p; s/^ *{ "\([a-z]*\)", verb_.*/\1/p' "$@" | sort -u)
  [ -n "$names" ] || complain "no options found in" "$@"
  for name in $names; do
    sed 's/\\-/-/g' "$page" | grep -qE -e "(^|[^-a-z])$name([^-a-z]|$)" || complain "$page: no $name"
  done
}
documented data/man/mefotad.8 daemon/main.c
documented data/man/mefotactl.1 client/*.c
documented data/man/mefota-sim.1 tests/sim/mefota-sim.c

# exit statuses: NAME = NUMBER,
statuses ()      # PAGE FILE PREFIX
{
  numbers=$(sed -n "s/^ *$3_[A-Z_]* = \([0-9]*\),.*/\1/p" "$2")
  [ -n "$numbers" ] || complain "no exit statuses found in $2"
  for number in $numbers; do
    sed -n '/^\.SH EXIT STATUS/,/^\.SH FILES/p' "$1" | grep -qx "\.B $number" || complain "$1: no exit status $number"
  done
}
statuses data/man/mefotad.8 daemon/mefota-daemon.h MEFOTA_EXIT
statuses data/man/mefotactl.1 client/exit-status.h STATUS
exit $failed
