#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-install.sh MESON BUILD-DIRECTORY PREFIX SYSCONFDIR SYSTEMD-UNIT-DIR UDEV-RULES-DIR [OPTION=true|false]...
# "meson install" puts everything where systemd, udev, the bus and polkit look, below DESTDIR, and nothing elsewhere.
set -eu

meson=$1 build=$2 prefix=$3 sysconfdir=$4 unitdir=$5 rulesdir=$6
shift 6
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

$meson install -C "$build" --no-rebuild --destdir "$scratch/root" > "$scratch/log" 2>&1 ||
  { cat "$scratch/log"; exit 1; }

for file in \
  "$unitdir/mefotad.service" \
  "$rulesdir/60-mefota.rules" \
  "$prefix/lib/sysusers.d/mefota.conf" \
  "$prefix/lib/tmpfiles.d/mefota.conf" \
  "$prefix/lib/systemd/catalog/mefota.catalog" \
  "$prefix/share/dbus-1/interfaces/org.gosuncn.Fota.xml" \
  "$prefix/share/dbus-1/interfaces/org.gosuncn.Fota.Manager.xml" \
  "$prefix/share/dbus-1/system.d/org.gosuncn.Fota.conf" \
  "$prefix/share/dbus-1/system.d/org.gosuncn.Fota-ModemManager.conf" \
  "$prefix/share/dbus-1/system-services/org.gosuncn.Fota.service" \
  "$prefix/share/mefota/profiles.d/me3630.conf" \
  "$prefix/share/mefota/profiles.d/me3616.conf" \
  "$sysconfdir/mefota/mefotad.conf"
do
  [ -f "$scratch/root$file" ] || { echo "not ok: $file is missing"; failed=1; }
done

# What belongs to an option is there with it, and nowhere without it.
for option in "$@"; do
  case $option in
    polkit=*) files='actions/org.gosuncn.fota.policy rules.d/org.gosuncn.fota.rules' ;;
    man=*) files='mefotad.8 mefotad.conf.5 mefotactl.1' ;;
    sim=*) files='bin/mefota-sim mefota/sim/network.sim' ;;
    *) echo "not ok: unknown option $option"; failed=1; continue ;;
  esac
  for file in $files; do
    found=false
    [ -z "$(find "$scratch/root$prefix" -path "*/$file")" ] || found=true
    [ "$found" = "${option#*=}" ] || { echo "not ok: $option, but $file there is $found"; failed=1; }
  done
done

# The program that unit and bus start is where they say.
for file in "$unitdir/mefotad.service" "$prefix/share/dbus-1/system-services/org.gosuncn.Fota.service"; do
  program=$(sed -n 's/^Exec\(Start\)\?=\([^ ]*\).*/\2/p' "$scratch/root$file")
  [ -x "$scratch/root$program" ] || { echo "not ok: $file starts $program, which is not installed"; failed=1; }
done

# Nothing is left to fill in.
if grep -rlE '@(user|group|sbindir|statedir|fdstore_preserve)@' "$scratch/root"; then
  echo "not ok: a template that was not filled in"
  failed=1
fi

# Who reads what is installed only when told to: README's steps tell them, the new user first, whom the others look up.
readme=$(dirname "$0")/../README.md
steps=$(sed -n '/^    sudo meson install/,/^$/p' "$readme" | tr '\n' ' ')
while read -r folder command; do
  [ -d "$scratch/root$folder" ] || { echo "not ok: no $folder"; failed=1; }
  case $steps in
  *systemd-sysusers*"$command"*) ;;
  *) echo "not ok: README does not say \"$command\" after systemd-sysusers, for $folder"; failed=1 ;;
  esac
done <<EOF
$prefix/lib/tmpfiles.d systemd-tmpfiles --create
$prefix/share/dbus-1/system.d systemctl reload dbus
$prefix/lib/systemd/catalog journalctl --update-catalog
$unitdir systemctl daemon-reload
$rulesdir udevadm control --reload
EOF

# Nothing outside of prefix and sysconfdir, but for what /usr's own packages told.
find "$scratch/root" -type f | sed "s,^$scratch/root,," | while read -r file; do
  case $file in
  "$prefix"/* | "$sysconfdir"/* | "$unitdir"/* | "$rulesdir"/*) ;;
  *) echo "not ok: $file is outside of $prefix"; exit 1 ;;
  esac
done || failed=1
exit $failed
