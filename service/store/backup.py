"""The file of a backup: a line that says what it is, then sealed blocks.

Each file has a key of its own, sealed under the master key in its first line. Blocks are AES-256-GCM with a
counter as nonce; each is bound to the first line, to its place, and to whether it is the last one, so that
none can be changed, moved, left out or cut off without being noticed.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.domain.codes import RandomBytes
from service.domain.errors import BackupUnusable
from service.store.migrations import CURRENT
from service.store.schema import unknown
from service.store.sealing import NONCE_BYTES, Sealer
from service.store.snapshot import Kept

FORM = 1  # of the file
MARK = "otp_fallback_backup"
BLOCK = 500  # values
_LONGEST_BLOCK = 256 * 1024 * 1024  # bytes; longer is no block of ours
_RECORD = "backup"


def write(
    file: BinaryIO, values: Iterable[Kept], sealer: Sealer, *, now: int, random_bytes: RandomBytes
) -> Iterator[int]:
    """Write a backup; tells how many values are in it, from time to time."""
    file_key = random_bytes(32)
    told = {MARK: FORM, "schema": CURRENT, "created_at": now}
    sealed = sealer.seal(base64.b64encode(file_key), _RECORD)
    head = json.dumps({**told, "key": sealed}).encode() + b"\n"
    file.write(head)
    cipher, count, number, block = AESGCM(file_key), 0, 0, list[Kept]()
    for value in values:
        if len(block) == BLOCK:
            _put(file, cipher, head, number, block, last=False)
            number, block = number + 1, []
            yield count
        block.append(value)
        count += 1
    _put(file, cipher, head, number, block, last=True)
    yield count


def read(file: BinaryIO, sealer: Sealer) -> Iterator[list[Kept]]:
    """The values of a backup, some at a time.

    Raises:
        BackupUnusable: it is none, or of a newer version, or was changed or cut off.
        KeyUnusable: it was made under a master key that is not configured.
    """
    head = file.readline(4096)
    try:
        told = json.loads(head)
        form, schema, sealed = told[MARK], int(told["schema"]), told["key"]
    except (ValueError, KeyError, TypeError):
        raise BackupUnusable("This is not a backup of otp-fallback.") from None
    if form != FORM:
        raise BackupUnusable(f"This backup is of form {form}; {FORM} is known here.")
    if schema > CURRENT:
        raise BackupUnusable(unknown(schema).detail)
    cipher = AESGCM(base64.b64decode(sealer.open(str(sealed), _RECORD)))
    number, last = 0, False
    while not last:
        size = int.from_bytes(file.read(4))
        sealed_block = file.read(size) if 0 < size <= _LONGEST_BLOCK else b""
        opened = None
        for last in (False, True):
            try:
                opened = cipher.decrypt(_nonce(number), sealed_block, _place(head, number, last=last))
                break
            except InvalidTag:
                continue
        if opened is None:
            raise BackupUnusable(f"Block {number + 1} of this backup was changed, or is missing.")
        yield msgspec.msgpack.decode(opened, type=list[Kept])
        number += 1
    if file.read(1):
        raise BackupUnusable("Something follows the last block of this backup.")


def is_backup(head: bytes) -> bool:
    """Whether a file that begins so is a backup."""
    return head.startswith(b'{"' + MARK.encode() + b'"')


def _put(file: BinaryIO, cipher: AESGCM, head: bytes, number: int, block: list[Kept], *, last: bool) -> None:
    sealed = cipher.encrypt(_nonce(number), msgspec.msgpack.encode(block), _place(head, number, last=last))
    file.write(len(sealed).to_bytes(4) + sealed)


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_BYTES)


def _place(head: bytes, number: int, *, last: bool) -> bytes:
    return head + number.to_bytes(8) + bytes([last])
