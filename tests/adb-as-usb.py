#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stands in adb's place: adb, for tests that have no USB.

Runs the real adb server behind itself, and shows its devices on TCP as devices on USB, as the list of devices is all
that tells them apart. Everything else goes through as it is.

MEFOTA_TEST_ADB      the real adb
MEFOTA_TEST_DEVICES  file of lines "1-1.2 PORT SERIAL": where it is plugged in, its daemon's port on 127.0.0.1, and its
                     serial number (to the end of the line; may be the same for all)
"""
import asyncio
import ctypes
import os
import signal
import sys


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def frame(text):
    return b"%04x" % len(text) + text


class Server:
    def __init__(self, path):
        self.path = path
        self.real = path + "-real"
        self.seen = set()
        self.connecting = {}

    def devices(self):
        with open(os.environ["MEFOTA_TEST_DEVICES"], encoding="utf-8") as file:
            lines = [line.rstrip("\n").split(" ", 2) for line in file if line.strip()]
        return {"127.0.0.1:" + port: (usb, serial) for usb, port, serial in lines}

    async def ask(self, word):
        reader, writer = await asyncio.open_unix_connection(self.real)
        writer.write(frame(word.encode()))
        answer = await reader.read()
        writer.close()
        return answer[8:].decode(errors="replace")

    async def connect(self, address):
        try:
            await self.ask("host:connect:" + address)
        finally:
            del self.connecting[address]

    async def states(self):
        lines = (await self.ask("host:devices-l")).splitlines()
        return {line.split()[0]: line.split(None, 1)[1] for line in lines if line}

    async def list(self):
        devices = self.devices()
        states = await self.states()
        for address in devices:
            state = states.get(address, "")
            if state.startswith("device"):
                self.seen.add(address)
                continue
            if state and address in self.seen:  # on USB it would be gone
                await self.ask("host:disconnect:" + address)
                self.seen.discard(address)
            if address not in self.connecting:
                self.connecting[address] = asyncio.create_task(self.connect(address))
        if self.connecting:
            await asyncio.wait(list(self.connecting.values()), timeout=0.2)
        shown = ""
        for address, rest in (await self.states()).items():
            if address in devices:
                usb, serial = devices[address]
                state, _, words = rest.partition(" ")
                shown += f"{serial:<22} {state} usb:{usb} {words.strip()}\n"
                if state == "device":
                    self.seen.add(address)
        return shown.encode()

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            writer.close()

    async def serve(self, reader, writer):
        try:
            head = await reader.readexactly(4)
            request = await reader.readexactly(int(head, 16))
            if request == b"host:devices-l":
                writer.write(b"OKAY" + frame(await self.list()))
            else:
                real_reader, real_writer = await asyncio.open_unix_connection(self.real)
                real_writer.write(head + request)
                await asyncio.wait([asyncio.create_task(self.pump(reader, real_writer)),
                                    asyncio.create_task(self.pump(real_reader, writer))],
                                   return_when=asyncio.FIRST_COMPLETED)
                real_writer.close()
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def run(self):
        if os.path.exists(self.real):
            os.unlink(self.real)
        real = await asyncio.create_subprocess_exec(os.environ["MEFOTA_TEST_ADB"], "-L", "localfilesystem:" + self.real,
                                                    "server", "nodaemon", preexec_fn=die_with_parent)
        while True:
            try:
                await self.ask("host:version")
                break
            except OSError:
                if real.returncode is not None:
                    return real.returncode
                await asyncio.sleep(0.02)
        await asyncio.start_unix_server(self.serve, self.path)
        return await real.wait()


if __name__ == "__main__":
    assert sys.argv[1] == "-L" and sys.argv[3:] == ["server", "nodaemon"], sys.argv
    sys.exit(asyncio.run(Server(sys.argv[2].removeprefix("localfilesystem:")).run()))
