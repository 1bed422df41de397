#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes corpus-at/ from ../dialogues/: each transcript as a whole, and what followed each command."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
DIALOGUES = os.path.join(HERE, "..", "dialogues")
OUT = os.path.join(HERE, "corpus-at")
# The commands of fuzz-at.c, in its order; any other goes in front as text.
COMMANDS = re.search(r"commands\[\] = \{(.*?)\};", open(os.path.join(HERE, "fuzz-at.c")).read(), re.S).group(1)
COMMANDS = [c.strip().strip('"') for c in re.findall(r'NULL|"[^"]*"', COMMANDS)]


def unescape(text):
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda m: {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}.get(
        m.group(1)) or bytes([int(m.group(1)[1:], 16)]), text)


def write(name, command, cut, data):
    if command in COMMANDS:
        head = bytes([COMMANDS.index(command), cut])
    else:
        head = bytes([0x80, cut]) + command.encode() + b"\n"
    with open(os.path.join(OUT, name), "wb") as out:
        out.write(head + data)


for entry in sorted(os.listdir(DIALOGUES)):
    name, extension = os.path.splitext(entry)
    if extension != ".txt":
        continue
    pieces = [["NULL", b""]]
    for line in open(os.path.join(DIALOGUES, entry), "rb").read().split(b"\n"):
        if line.startswith((b"> ", b">> ")):
            pieces.append([line.split(b" ", 1)[1].decode(), b""])
        elif line.startswith(b"<< "):
            pieces[-1][1] += unescape(line[3:])
        elif line.startswith(b"< "):
            pieces[-1][1] += b"\r\n" + unescape(line[2:]) + b"\r\n"
    write(name, "NULL", 7, b"".join(data for _, data in pieces))
    for i, (command, data) in enumerate(pieces):
        if data:
            write("%s-%02d" % (name, i), command, i * 11 % 256, data)
