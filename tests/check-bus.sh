#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: check-bus.sh USER OUR-POLICY MODEMMANAGER-POLICY ACTIVATION-FILE
# A real dbus-daemon, with the rules of a system bus and the shipped policies: it starts, and lets pass what it should.
# Whether a call passes is told by its error: the names can be activated, but what is started ends at once.
set -eu

user=$1 ours=$2 mm=$3 activation=$4
failed=0

complain () { echo "not ok: $*"; failed=1; }

if ! command -v dbus-daemon >/dev/null || ! command -v gdbus >/dev/null; then
  echo "dbus-daemon or gdbus is missing"
  exit 77
fi

grep -q '^SystemdService=mefotad.service$' "$activation" || complain "$activation: no SystemdService"
grep -q '^Name=org.gosuncn.Fota$' "$activation" || complain "$activation: another name"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; [ -z "${pid:-}" ] || kill "$pid"' EXIT
chmod 755 "$scratch"
mkdir "$scratch/services"
for name in org.gosuncn.Fota org.freedesktop.ModemManager1; do
  printf '[D-BUS Service]\nName=%s\nExec=/bin/false\n' "$name" > "$scratch/services/$name.service"
done

# Each at an address of its own: a bus that is on its way out takes its socket's name along.
start_bus ()     # USER: whom the policies take for the service user
{
  [ -z "${pid:-}" ] || { kill "$pid"; pid=; }
  for policy in "$ours" "$mm"; do
    sed "s/user=\"$user\"/user=\"$1\"/" "$policy" > "$scratch/$(basename "$policy")"
  done
  cat > "$scratch/bus.conf" <<EOF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=$scratch/bus-$1</listen>
  <auth>EXTERNAL</auth>
  <fork/>
  <pidfile>$scratch/pid-$1</pidfile>
  <servicedir>$scratch/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <deny send_destination="org.freedesktop.ModemManager1" send_type="method_call"/>
  </policy>
  <include>$scratch/$(basename "$ours")</include>
  <include>$scratch/$(basename "$mm")</include>
</busconfig>
EOF
  dbus-daemon --config-file="$scratch/bus.conf" 2> "$scratch/log" || { cat "$scratch/log"; exit 1; }
  pid=$(cat "$scratch/pid-$1")
  [ ! -s "$scratch/log" ] || { cat "$scratch/log"; complain "dbus-daemon has something to say of the policies"; }
  DBUS_SYSTEM_BUS_ADDRESS=unix:path=$scratch/bus-$1
  export DBUS_SYSTEM_BUS_ADDRESS
}

call () {
  gdbus call --system --timeout 30 --dest "$1" --object-path "$2" --method "$3" ${4:+"$4"} ${5:+"$5"} 2>&1 || :
}
passes () { call "$@" | grep -q 'Error\.Spawn\.' || complain "does not pass: $*"; }
refused () { call "$@" | grep -q AccessDenied || complain "passes: $*"; }
own () { call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus.RequestName org.gosuncn.Fota 0; }

me=$(id -un)

start_bus "$me"
own | grep -q '(uint32 1,)' || complain "the service user cannot own the name"
passes org.freedesktop.ModemManager1 /org/freedesktop/ModemManager1 org.freedesktop.ModemManager1.InhibitDevice /x true
refused org.freedesktop.ModemManager1 /org/freedesktop/ModemManager1 org.freedesktop.ModemManager1.ScanDevices

# Now somebody else is the service user.
if [ "$me" = nobody ]; then start_bus bin; else start_bus nobody; fi
passes org.gosuncn.Fota /org/gosuncn/Fota org.freedesktop.DBus.ObjectManager.GetManagedObjects
passes org.gosuncn.Fota /org/gosuncn/Fota org.freedesktop.DBus.Properties.GetAll org.gosuncn.Fota.Manager
passes org.gosuncn.Fota /org/gosuncn/Fota/module/x org.gosuncn.Fota.Restart
refused org.freedesktop.ModemManager1 /org/freedesktop/ModemManager1 org.freedesktop.ModemManager1.InhibitDevice /x true
if [ "$me" = root ]; then
  own | grep -q '(uint32 1,)' || complain "root cannot own the name"
  if command -v runuser >/dev/null && id daemon >/dev/null 2>&1; then
    runuser -u daemon -- gdbus call --system --dest org.freedesktop.DBus --object-path /org/freedesktop/DBus \
      --method org.freedesktop.DBus.RequestName org.gosuncn.Fota 0 2>&1 | grep -q AccessDenied ||
      complain "a stranger can own the name"
  fi
else
  own | grep -q AccessDenied || complain "a stranger can own the name"
fi

exit $failed
