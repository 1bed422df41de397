#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-rules.sh RULES PROFILE...
# The udev rules, seen by udev itself (udevadm test) on devices of a umockdev testbed. Needs a mount namespace, so that
# no other rule is read; without one only what can be read off the file is checked.
set -eu

rules=$1
shift
failed=0

complain () { echo "not ok: $*"; failed=1; }

# --- the ids: the same in rules and profiles -------------------------------------------------------------------------

ids='ATTRS{idVendor}=="\(....\)", ATTRS{idProduct}=="\(....\)", ENV{.MEFOTA_IF}=="\(..\)"'
in_rules=$(sed -n "s/^$ids.*\"at\"\$/\1:\2\/\3/p" "$rules" | sort)
in_profiles=$(sed -n 's/^usb-ids=//p' "$@" | tr ';' '\n' | sed '/^$/d' | sort -u)
[ -n "$in_rules" ] || complain "no ids found in $rules"
[ "$in_rules" = "$in_profiles" ] || complain "rules and profiles name other ids:" "$in_rules" / "$in_profiles"

# --- the syntax, by a udevadm that has "verify" ----------------------------------------------------------------------

PATH=$PATH:/usr/sbin:/sbin
if udevadm verify --help >/dev/null 2>&1; then
  udevadm verify --resolve-names=never "$rules" || complain "udevadm verify"
fi

# --- what udev makes of them -----------------------------------------------------------------------------------------

if ! command -v umockdev-run >/dev/null || ! command -v udevadm >/dev/null || ! command -v unshare >/dev/null; then
  [ "$failed" = 0 ] || exit 1
  echo "umockdev-run, udevadm or unshare is missing"
  exit 77
fi
unshare="unshare -m"
$unshare true 2>/dev/null || unshare="unshare -rm"
if ! $unshare true 2>/dev/null; then
  [ "$failed" = 0 ] || exit 1
  echo "no mount namespace to be had"
  exit 77
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/rules.d"
# The group need not exist on the machine that builds.
sed 's/GROUP="[^"]*"/GROUP="daemon"/' "$rules" > "$scratch/rules.d/60-mefota.rules"
cat > "$scratch/rules.d/59-local.rules" <<'EOF'
SUBSYSTEM=="tty", KERNEL=="ttyS9", ENV{ID_MEFOTA_PORT}="at"
SUBSYSTEM=="tty", SUBSYSTEMS=="usb", KERNELS=="1-9", ENV{ID_MEFOTA_PORT}="none"
EOF
# What README and the rules themselves tell to write for an id that they do not know.
readme=$(dirname "$0")/../README.md
sed -n 's/^    \(SUBSYSTEM==.*\)/\1/p' "$readme" > "$scratch/rules.d/58-readme.rules"
sed -n 's/^#   \(SUBSYSTEM==.*\)/\1/p' "$rules" > "$scratch/rules.d/59-example.rules"

root=/devices/pci0000:00/0000:00:14.0/usb1
device ()        # NAME VENDOR PRODUCT
{
  printf 'P: %s/%s\nN: bus/usb/001/0%s\nE: DEVNAME=/dev/bus/usb/001/0%s\n' "$root" "$1" "${1##*[-.]}" "${1##*[-.]}"
  printf 'E: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nE: DRIVER=usb\n'
  printf 'E: MAJOR=189\nE: MINOR=%s\n' "${1##*[-.]}"
  printf 'A: idVendor=%s\nA: idProduct=%s\n\n' "$2" "$3"
}
interface ()     # DEVICE NUMBER CLASS SUBCLASS PROTOCOL TTY
{
  printf 'P: %s/%s/%s:1.%d\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\nE: DRIVER=option\n' "$root" "$1" "$1" "0x$2"
  printf 'A: bInterfaceNumber=%s\nA: bInterfaceClass=%s\nA: bInterfaceSubClass=%s\nA: bInterfaceProtocol=%s\n' \
    "$2" "$3" "$4" "$5"
  printf 'L: driver=../../../../../../bus/usb/drivers/option\n\n'
  printf 'P: %s/%s/%s:1.%d/%s\nE: SUBSYSTEM=usb-serial\n\n' "$root" "$1" "$1" "0x$2" "$6"
  printf 'P: %s/%s/%s:1.%d/%s/tty/%s\nN: %s\nE: DEVNAME=/dev/%s\nE: SUBSYSTEM=tty\nE: MAJOR=188\nE: MINOR=%s\n\n' \
    "$root" "$1" "$1" "0x$2" "$6" "$6" "$6" "$6" "${6#ttyUSB}"
}

cases=$scratch/cases
expect ()        # ACTION SYSPATH WHAT-SHOULD-BE-SEEN (- what should not)...
{
  printf '%s' "$1 $2" >> "$cases"
  shift 2
  for text; do printf '\t%s' "$text" >> "$cases"; done
  echo >> "$cases"
}

{
  n=0
  for id in $in_rules 19d2:9999/01; do
    n=$((n + 1))
    name=1-1.$n
    ids=${id%/*}
    at=${id#*/}
    device "$name" "${ids%:*}" "${ids#*:}"
    for number in 00 01 02 03 04; do
      tty=ttyUSB$n${number#0}
      interface "$name" "$number" ff 00 00 "$tty"
      path=$root/$name/$name:1.${number#0}
      expect bind "$path" '-unbind'
      if [ "$id" = 19d2:9999/01 ] || [ "$number" != "$at" ]; then
        expect add "$path/$tty/tty/$tty" -ID_MEFOTA_PORT -ID_MM_PORT_IGNORE -mefota/usb -GROUP
      else
        expect add "$path/$tty/tty/$tty" ID_MEFOTA_PORT=at ID_MM_PORT_IGNORE=1 "DEVLINKS=/dev/mefota/usb-$name" \
          'TAGS=:systemd:' 'GROUP ' 'MODE 0660'
      fi
    done
    # ADB, held by option
    interface "$name" 05 ff 42 01 "ttyUSB${n}5"
    path=$root/$name/$name:1.5
    if [ "$id" = 19d2:9999/01 ]; then
      expect bind "$path" -unbind
      expect add "$root/$name" -GROUP
    else
      expect bind "$path" "driver/unbind' writing '$name:1.5'"
      expect add "$path" "driver/unbind' writing '$name:1.5'"
      expect unbind "$path" -driver/unbind
      expect add "$path/ttyUSB${n}5/tty/ttyUSB${n}5" ID_MM_PORT_IGNORE=1 -ID_MEFOTA_PORT
      expect add "$root/$name" 'GROUP ' 'MODE 0664'
    fi
  done
  # rules of the administrator's own: another port in, a listed one out
  printf 'P: /devices/platform/serial/tty/ttyS9\nN: ttyS9\nE: DEVNAME=/dev/ttyS9\nE: SUBSYSTEM=tty\n'
  printf 'E: MAJOR=4\nE: MINOR=73\n\n'
  expect add /devices/platform/serial/tty/ttyS9 ID_MEFOTA_PORT=at ID_MM_PORT_IGNORE=1 'GROUP ' -mefota/usb
  n=0
  for file in "$scratch/rules.d/58-readme.rules" "$scratch/rules.d/59-example.rules"; do
    n=$((n + 1))
    name=1-2.$n
    device "$name" "$(sed -n 's/.*ATTRS{idVendor}=="\(....\)".*/\1/p' "$file")" \
      "$(sed -n 's/.*ATTRS{idProduct}=="\(....\)".*/\1/p' "$file")"
    interface "$name" 01 ff 00 00 "ttyUSB20$n"
    expect add "$root/$name/$name:1.1/ttyUSB20$n/tty/ttyUSB20$n" ID_MEFOTA_PORT=at ID_MM_PORT_IGNORE=1 \
      "DEVLINKS=/dev/mefota/usb-$name" 'GROUP '
    interface "$name" 02 ff 00 00 "ttyUSB21$n"
    expect add "$root/$name/$name:1.2/ttyUSB21$n/tty/ttyUSB21$n" -ID_MEFOTA_PORT -ID_MM_PORT_IGNORE -mefota/usb
  done
  device 1-9 19d2 1476
  interface 1-9 01 ff 00 00 ttyUSB99
  expect add "$root/1-9/1-9:1.1/ttyUSB99/tty/ttyUSB99" ID_MEFOTA_PORT=none -ID_MM_PORT_IGNORE -mefota/usb -GROUP
} > "$scratch/devices.umockdev"

cat > "$scratch/inside" <<'EOF'
set -eu
scratch=$1
mkdir -p "$UMOCKDEV_DIR/sys/bus/usb/drivers/option"
: > "$UMOCKDEV_DIR/sys/bus/usb/drivers/option/unbind"
tab=$(printf '\t')
count=0
while IFS="$tab" read -r call texts; do
  set -- $call
  count=$((count + 1))
  SYSTEMD_LOG_LEVEL=debug udevadm test --action="$1" "/sys$2" > "$scratch/seen" 2>&1 ||
    { echo "not ok: udevadm test $call"; cat "$scratch/seen"; exit 1; }
  IFS="$tab"
  for text in $texts; do
    case $text in
    -*) ! grep -v "^Reading\|^Parsed" "$scratch/seen" | grep -qF -e "${text#-}" ||
          { echo "not ok: $call: has ${text#-}"; cat "$scratch/seen"; exit 1; };;
    *)  grep -qF -e "$text" "$scratch/seen" || { echo "not ok: $call: lacks $text"; cat "$scratch/seen"; exit 1; };;
    esac
  done
  unset IFS
done < "$scratch/cases"
echo "$count events as they should be"
EOF

# Only our rules are read, and what udev writes beside the testbed (links, its database) stays in here.
$unshare sh -eu -c '
  scratch=$1
  mkdir "$scratch/none" "$scratch/dev" "$scratch/run"
  for node in null zero full random urandom; do
    : > "$scratch/dev/$node"
    mount --bind "/dev/$node" "$scratch/dev/$node"
  done
  mkdir "$scratch/dev/pts"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$scratch/dev/pts"
  ln -s pts/ptmx "$scratch/dev/ptmx"
  mount --rbind "$scratch/dev" /dev
  mount --bind "$scratch/run" /run
  for folder in /etc/udev/rules.d /usr/local/lib/udev/rules.d /lib/udev/rules.d; do
    [ ! -d "$folder" ] || mount --bind "$scratch/none" "$folder"
  done
  mount --bind "$scratch/rules.d" /usr/lib/udev/rules.d
  umockdev-run -d "$scratch/devices.umockdev" -- sh "$scratch/inside" "$scratch"
' sh "$scratch" || failed=1

exit $failed
