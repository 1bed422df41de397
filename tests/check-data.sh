#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-data.sh FILE...
# Each file in the eyes of the program that reads it; files whose program is missing are passed over, and told.
set -eu

PATH=$PATH:/usr/sbin:/sbin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
passed_over=0

have () {
  command -v "$1" >/dev/null ||
    { echo "# $1 is missing: $file not checked"; passed_over=$((passed_over + 1)); return 1; }
}
complain () { echo "not ok: $file: $*"; failed=1; }
quiet () { "$@" > "$scratch/log" 2>&1 && [ ! -s "$scratch/log" ] || { cat "$scratch/log"; complain "$1"; }; }

for file; do
  case $file in
  *.policy | *.xml | */org.gosuncn.*.conf)
    if have xmllint; then quiet xmllint --nonet --noout "$file"; fi ;;
  *.rules)
    # polkit's, in JavaScript: its own interpreter, or whichever there is; compiled, not run
    { echo 'function f () {'; cat "$file"; echo '}'; } > "$scratch/f.js"
    if command -v duk >/dev/null; then quiet duk "$scratch/f.js"
    elif command -v node >/dev/null; then quiet node --check "$scratch/f.js"
    elif command -v gjs >/dev/null; then quiet gjs "$scratch/f.js"
    else have duk || :
    fi ;;
  *.sysusers)
    if [ "$(id -u)" = 0 ] && have systemd-sysusers; then
      mkdir -p "$scratch/root/etc" "$scratch/root/usr/lib/sysusers.d"
      cp "$file" "$scratch/root/usr/lib/sysusers.d/mefota.conf"
      quiet_log=$(systemd-sysusers --root="$scratch/root" mefota.conf 2>&1) || complain "systemd-sysusers: $quiet_log"
      grep -q "^dialout:.*:mefota$\|^dialout:.*[:,]mefota" "$scratch/root/etc/group" || complain "not in dialout"
      grep -q '^mefota:.*/lib/mefota:.*nologin$' "$scratch/root/etc/passwd" || complain "no user mefota"
    elif have systemd-sysusers; then
      systemd-sysusers --dry-run "$file" > "$scratch/log" 2>&1 || { cat "$scratch/log"; complain systemd-sysusers; }
    fi ;;
  *.tmpfiles)
    if have systemd-tmpfiles; then
      mkdir -p "$scratch/tmpfiles"
      # the users here are not the users there
      sed "s/ mefota mefota / $(id -u) $(id -g) /" "$file" > "$scratch/tmpfiles.conf"
      quiet systemd-tmpfiles --create --root="$scratch/tmpfiles" "$scratch/tmpfiles.conf"
      [ -d "$scratch/tmpfiles/run/mefota" ] || complain "no /run/mefota"
    fi ;;
  *.[1578])
    if have man; then
      LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings=w -E UTF-8 -l "$file" \
        2> "$scratch/log" > "$scratch/page" ||
        complain "man"
      # a long line in a synopsis of types is no fault of the page
      if grep -v "can't break line\|cannot adjust line\|cannot break line" "$scratch/log"; then
        complain "troff warns"
      fi
      grep -q '^NAME' "$scratch/page" || complain "no NAME"
    fi ;;
  */completion/*)
    if have bash; then quiet bash -n "$file"; fi ;;
  *)
    complain "nobody knows how to check this" ;;
  esac
done
# A run that could look at less than half is no pass.
[ "$failed" = 1 ] || [ $((passed_over * 2)) -lt $# ] || exit 77
exit $failed
