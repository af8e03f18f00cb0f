"""Every key in Redis, named here and nowhere else.

Keys of one user carry one hash tag (`{00}` to `{3f}`), so that a script may touch all of them on Redis
Cluster. The partition stands in front of every id, so an id alone tells where its record is.
"""

import base64
import hashlib
import re

from service.domain.mac import hmac_sha256

PARTITIONS = 64

# What operators change shares a slot with an outbox, so that one script changes, notes and tells.
MODES = "otp:{00}:modes"  # hash: scope -> setting
AUDIT = "otp:{00}:audit"  # stream: deeds of operators, chained
AUDIT_HEAD = "otp:{00}:audit:head"  # the hash of the newest of them
DRILLS = "otp:{00}:drills"  # hash: id -> drill, and the one that runs
INCIDENTS = "otp:{00}:incidents"  # hash: id -> incident
WEBHOOKS = "otp:{00}:webhooks"  # hash: id -> webhook
SIGNING = "otp:{00}:signing"  # hash: what is signed -> the keys that sign it, sealed
API_KEYS = "otp:api_keys"  # hash: keyed hash of the key -> record
KEYRING = "otp:keyring"  # the sealed data keys
SCHEMA = "otp:schema"  # the number of the form that everything is kept in
SCHEMA_LEASE = "otp:schema:lease"  # a process brings an older state up
HEALTH_STATES = "otp:{health}:states"  # hash: route -> state
HEALTH_KNOWLEDGE = "otp:{health}:knowledge"  # of the deciding worker
HEALTH_DRILLS = "otp:{health}:drills"  # hash: id -> what came of a drill
HEALTH_LEADER = "otp:{health}:leader"  # which worker decides
HEALTH_SUSPECTS = "otp:{health}:suspects"  # hash: block of numbers -> what it is suspected of
HEALTH_FEED = "otp:{health}:feed"  # what the provider's status page said last
VENDOR_DUE = "otp:{health}:vendor"  # sorted set: ended challenges that the provider is to be told of, by when
NOTICES_DUE = "otp:{health}:notices"  # sorted set: what users are to be told of, by when
HEALTH_PROBE = "otp:{health}:probe:"  # + route: a probe was made a moment ago
HOOK_WAITING = "otp:{hooks}:waiting"  # hash: receiver -> how many messages wait for it
HOOK_ONCE = "otp:{hooks}:once"  # hash: receiver and what it is not to be told again yet -> until when (ms)
EVERYBODY = "00everybody"  # in place of a keyed hash, of what is the whole installation's
FORMER_MODES = "otp:modes"  # of version 0.1.0
ALL = "otp:*"  # patterns, to look for keys
ALL_USERS = "otp:{??}:u:*"
RESTORED = "otp:restored"  # for a second, so that what was restored is waited for
CHANGED = "otp:changed"  # pub/sub channel: ids of challenges that changed

# Of the moment: no use to anybody who restores a backup.
FLEETING = re.compile(r"otp:(schema:lease|\{health\}:(leader|probe:.*)|\{..\}:[siq]:.*)")
_ID = re.compile(r"(?:ch|en|lk)_[0-3][0-9a-f][A-Za-z0-9_-]{22}")


def keyed_hash(key: bytes, *parts: str) -> str:
    """A keyed hash (HMAC-SHA256, 128 bits of it) of some parts, led by the partition it belongs to."""
    message = b"".join([len(raw).to_bytes(4) + raw for raw in map(str.encode, parts)])
    digest = hmac_sha256(key, message)
    return f"{digest[0] % PARTITIONS:02x}{base64.urlsafe_b64encode(digest[1:17]).decode().rstrip('=')}"


def new_id(prefix: str, user_key: str, random: bytes) -> str:
    """An id in the partition of a user, from 16 random bytes."""
    return f"{prefix}_{user_key[:2]}{base64.urlsafe_b64encode(random).decode().rstrip('=')}"


def new_challenge_id(user_key: str, random: bytes) -> str:
    """As `new_id`, for a challenge.

    Six of the random bits repeat the partition, so that the 128 bits alone name the record, as those of a
    Twilio SID have to (`challenge_of`).
    """
    marked = bytes([int(user_key[:2], 16) << 2 | random[0] & 3]) + random[1:]
    return new_id("ch", user_key, marked)


def bits_of(id_: str) -> bytes:
    """The 128 bits of an id, or of a user's keyed hash, which is led by its partition alone."""
    return base64.urlsafe_b64decode(id_[-22:] + "==")


def challenge_of(bits: bytes) -> str:
    """The id of the challenge that has these 128 bits."""
    return new_id("ch", f"{bits[0] >> 2:02x}", bits)


def is_id(text: str, prefix: str) -> bool:
    """Whether a text has the form of an id of this kind."""
    return text.startswith(f"{prefix}_") and _ID.fullmatch(text) is not None


def partitions() -> list[str]:
    """The names of all partitions."""
    return [f"{number:02x}" for number in range(PARTITIONS)]


def user(user_key: str) -> str:
    """A user's record; `USER` in the scripts is this without the hash."""
    return f"{user_prefix(user_key[:2])}{user_key}"


def user_prefix(partition: str) -> str:
    """What stands before a user's hash in its key."""
    return f"otp:{{{partition}}}:u:"


def owners(contact_hash: str) -> str:
    """Hash: users of an application who have, or had, a number or address -> version that says so."""
    return f"otp:{{{contact_hash[:2]}}}:w:{contact_hash}"


def verification(contact_hash: str) -> str:
    """The challenge that a number or address was last named for, when that was begun (ms), and repeats."""
    return f"otp:{{{contact_hash[:2]}}}:v:{contact_hash}"


def notices_sent(user_key: str) -> str:
    """How many notices a user got within the hour."""
    return f"otp:{{{user_key[:2]}}}:h:{user_key}"


def health_traffic(hour: int) -> str:
    """What happened in an hour (since the epoch), by minute."""
    return f"otp:{{health}}:traffic:{hour}"


def ready(partition: str) -> str:
    """Hash: how many of a partition's users there are, by class and application; `lib.lua` keeps it."""
    return f"otp:{{{partition}}}:classes"


def stuck(partition: str) -> str:
    """Sorted set: a partition's users without any fallback; `lib.lua` keeps it."""
    return f"otp:{{{partition}}}:lacking"


def former_counts(partition: str) -> tuple[str, str]:
    """Where schema 0 counted users."""
    return f"otp:{{{partition}}}:ready", f"otp:{{{partition}}}:stuck"


def failures(user_key: str) -> str:
    """Wrong codes of a user in a row; `lib.lua` keeps it, and one for each network address behind it."""
    return f"otp:{{{user_key[:2]}}}:f:{user_key}"


def rate(name: str, hashed: str) -> str:
    """How much of a limit is used up, by the keyed hash of whose it is."""
    return f"otp:{{{hashed[:2]}}}:q:{name}:{hashed}"


def number_rate(number_hash: str, origin: str | None = None) -> str:
    """How much of a phone number's limit is used up, altogether or from one network address."""
    return f"otp:{{{number_hash[:2]}}}:q:number:{number_hash}{f':{origin}' if origin else ''}"


def trusted(number_hash: str) -> str:
    """A phone number has answered within the last months."""
    return f"otp:{{{number_hash[:2]}}}:k:{number_hash}"


def block_sends(block_hash: str) -> str:
    """Sorted set: numbers of a block by when a message to them was sent that nobody answered (ms)."""
    return f"otp:{{{block_hash[:2]}}}:bs:{block_hash}"


def block_answers(block_hash: str) -> str:
    """Sorted set: numbers of a block by when they last answered (ms)."""
    return f"otp:{{{block_hash[:2]}}}:ba:{block_hash}"


def block_state(block_hash: str) -> str:
    """Hash: until when toll fraud is suspected in a block of numbers."""
    return f"otp:{{{block_hash[:2]}}}:y:{block_hash}"


def challenge(challenge_id: str) -> str:
    """A challenge's record."""
    return f"otp:{{{challenge_id[3:5]}}}:c:{challenge_id[3:]}"


def enrollment(enrollment_id: str) -> str:
    """A pending enrolment."""
    return f"otp:{{{enrollment_id[3:5]}}}:e:{enrollment_id[3:]}"


def link(link_id: str) -> str:
    """What a link to a page is good for."""
    return f"otp:{{{link_id[3:5]}}}:l:{link_id[3:]}"


def used_proof(challenge_id: str) -> str:
    """A challenge's proof was used up."""
    return f"otp:{{{challenge_id[3:5]}}}:p:{challenge_id[3:]}"


def link_session(link_id: str) -> str:
    """The browser that opened a link: keyed hash of its cookie."""
    return f"otp:{{{link_id[3:5]}}}:o:{link_id[3:]}"


def begun(user_key: str) -> str:
    """Sorted set: a user's pending enrolments and links, by when they end (ms)."""
    return f"otp:{{{user_key[:2]}}}:b:{user_key}"


def session(hashed: str) -> str:
    """A session of the console, by the keyed hash of its cookie."""
    return f"otp:{{{hashed[:2]}}}:s:{hashed}"


def sign_in_tries(hashed: str) -> str:
    """How often somebody tried to sign in, by the keyed hash of the address."""
    return f"otp:{{{hashed[:2]}}}:s:t{hashed}"


def outbox(partition: str) -> str:
    """The stream of events of a partition."""
    return f"otp:{{{partition}}}:outbox"


def due(partition: str) -> str:
    """Sorted set: ids of challenges by the time (ms) at which the worker must look at them."""
    return f"otp:{{{partition}}}:due"


def webhook_secret(webhook_id: str) -> str:
    """What a webhook's secrets are sealed for; they stand in its record."""
    return f"{WEBHOOKS}/{webhook_id}"


def hook_read(reader: str) -> str:
    """Hash: partition -> entry of its outbox up to which a reader has queued what it tells."""
    return f"otp:{{hooks}}:read:{reader}"


def hook_lanes(receiver: str) -> str:
    """Sorted set: a receiver's lanes in which messages wait, by when the first of them is due (ms)."""
    return f"otp:{{hooks}}:lanes:{receiver}"


def hook_lane(receiver: str, lane: str) -> str:
    """List: messages that are told in order."""
    return f"otp:{{hooks}}:lane:{receiver}:{lane}"


def hook_state(receiver: str) -> str:
    """Hash: how telling a receiver goes."""
    return f"otp:{{hooks}}:state:{receiver}"


def hook_told(receiver: str) -> str:
    """Hash: what a receiver of alerts was told of -> when last (ms)."""
    return f"otp:{{hooks}}:told:{receiver}"


def hook_dead(receiver: str) -> str:
    """Stream: messages that a receiver did not take within a day."""
    return f"otp:{{hooks}}:dead:{receiver}"


def number(number_hash: str) -> str:
    """What Twilio's verification of a phone number has used up of its sends."""
    return f"otp:{{{number_hash[:2]}}}:n:{number_hash}"


def undeliverable(number_hash: str, channel: str) -> str:
    """Why a phone number can't get a channel, for as long as that is remembered."""
    return f"otp:{{{number_hash[:2]}}}:x:{channel}:{number_hash}"


def carrier(number_hash: str) -> str:
    """Who carries a phone number's messages: mobile country and network code."""
    return f"otp:{{{number_hash[:2]}}}:m:{number_hash}"


def report(number_hash: str, report_id: str) -> str:
    """A delivery report that was seen."""
    digest = hashlib.blake2b(report_id.encode(), digest_size=12).hexdigest()
    return f"otp:{{{number_hash[:2]}}}:r:{digest}"


def idempotency(key_hash: str) -> str:
    """The answer given to a request with an `Idempotency-Key`."""
    return f"otp:{{{key_hash[:2]}}}:i:{key_hash}"


def nobody(hashed: str) -> str:
    """Who is verified where a number is nobody's, or not one user's alone, by the number's keyed hash.

    Under a keyed hash nobody enrolled anything, whatever user ids an application lets people choose.
    """
    return f"to:{hashed}"
