#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes corpus-upgrade/: whole upgrades, in the bytes of fuzz-upgrade.c."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "corpus-upgrade")
SOURCE = open(os.path.join(HERE, "fuzz-upgrade.c")).read()
WORDS = re.findall(r'"([^"]*)"', re.search(r"words\[\] = \{(.*?)\};", SOURCE, re.S).group(1))
EVENTS = ["begin", "say", "gone", "answers", "identity", "looked", "word", "timer", "answered", "transferred", "installing",
          "ended", "cancel", "restart"]
SECONDS = {0: 0, 10: 6, 60: 8, 180: 10, 600: 12, 900: 13, 3600: 14}
DOWNLOAD = ["say START", "say DOWNLOADING:25%", "say COSTTIME:1s", "say NEED_VERIFY", "say PASS_VERIFY", "say UPDATING"]

UPGRADES = {
    "network": ["begin 0"] + DOWNLOAD + ["gone", "answers", "identity 0", "say SUCCESS_END", "gone", "answers", "identity 1"],
    "network-same": ["begin 0"] + DOWNLOAD + ["gone", "answers", "identity 0", "timer 0 60", "looked 0", "word 12"],
    "network-target": ["begin 5"] + DOWNLOAD + ["gone", "answers", "identity 2", "timer 0 60", "looked 2"],
    "polled": ["say NEED_CONFIRM", "answered 1", "say SUCCESS CONFIRM"] + DOWNLOAD + ["gone", "answers", "identity 1"],
    "refused": ["say NEW_VERSION", "answered 0", "timer 0 10"],
    "unanswered": ["say NEED_CONFIRM", "timer 0 180"],
    "serial": ["begin 3", "transferred 30", "transferred 100", "installing", "gone", "gone", "answers", "identity 1"],
    "cancelled": ["begin 3", "transferred 30", "cancel", "ended 6"],
    "queued": ["begin 1", "begin 0", "say FAIL_CONNECT"],
    "silent": ["begin 0", "say START", "timer 0 900", "looked 0", "word 0"],
    "late": ["begin 0", "say UPDATING", "gone", "timer 0 600", "timer 0 3600"],
    "stays": ["begin 0", "say UPDATING", "timer 0 600", "looked 0", "word 0"],
    "killed": ["begin 0", "restart 1", "say UPDATING", "restart 5", "gone", "restart 6", "answers", "identity 1"],
    "replaced": ["begin 0", "say UPDATING", "gone", "answers", "identity 48"],
}


def encode(line):
    name, argument = (line.split(" ", 1) + ["0"])[:2]
    if name == "say":
        return bytes([EVENTS.index(name), WORDS.index(argument), 0])
    numbers = [int(n) for n in argument.split()] + [0]
    return bytes([EVENTS.index(name), numbers[0], SECONDS[numbers[1]]])


os.makedirs(OUT, exist_ok=True)
for name, lines in UPGRADES.items():
    with open(os.path.join(OUT, name), "wb") as out:
        out.write(b"".join(encode(line) for line in lines))
