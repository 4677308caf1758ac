#!/usr/bin/env python3
"""A verifier of the audit trail, written from shared/audit/README.md alone: it shares no code with the gateway.

    verify.py FOLDER [--root-key THUMBPRINT]... [--now 2026-01-01T00:00:00Z] [--export FILE]

Prints one JSON object: verdict, and what was found where. Exits 0, 3 or 1 as "What a verdict says". Needs the package `cryptography`.
"""
import argparse, base64, datetime, hashlib, json, os, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ZEROS = "0" * 64
HALF_ORDER = 0x7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8
SEGMENT = re.compile(r"^([a-z0-9][a-z0-9-]{0,99})\.(\d{6})\.jsonl$")
NAME = re.compile(r"^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z-[0-9a-f]{16}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
OUTCOMES = {"AKG303W", "AKG304E", "AKG305I", "AKG306W", "AKG308W", "AKG311I"}
BROKEN, UNPROVEN, NOTE = "BROKEN", "UNPROVEN", "NOTE"


def canonical(value):
    """RFC 8785, integers only."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > 2**53 - 1:
            raise ValueError("integer")
        return str(value)
    if isinstance(value, str):
        value.encode("utf-8")  # a lone surrogate has no UTF-8
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\x7f")
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"
    raise ValueError("a number that is not an integer")


def line_hash(line):
    return hashlib.sha256(b"aksgw.audit.v1\n" + line).hexdigest()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise ValueError("spare bits")
    return data


def thumbprint(jwk):
    required = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    return b64(hashlib.sha256(canonical(required).encode()).digest())


def public_key(jwk):
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(unb64(jwk["x"]), "big"), int.from_bytes(unb64(jwk["y"]), "big"), ec.SECP256R1()
    )
    return numbers.public_key()


def signed(detached, typ, jwk, payload):
    """Whether the detached JWS is that key's signature, in its one form."""
    try:
        header, empty, signature = detached.split(".")
        wanted = b64(canonical({"alg": "ES256", "kid": thumbprint(jwk), "typ": typ}).encode())
        raw = unb64(signature)
        if header != wanted or empty or len(raw) != 64:
            return False
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        if s > HALF_ORDER:
            return False
        message = (header + "." + b64(canonical(payload).encode())).encode()
        public_key(jwk).verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        return True
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False


def millis(text):
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    delta = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return delta // datetime.timedelta(milliseconds=1)


def name_time(stream):
    found = NAME.match(stream)
    if not found:
        return 0
    y, mo, d, h, mi, s, ms = found.groups()
    return millis(f"{y}-{mo}-{d}T{h}:{mi}:{s}.{ms}Z")


def rfc3339(ms):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


class Stream:
    """One stream, read to its end."""

    def __init__(self, trail, name, data, partial=False):
        self.trail, self.name, self.partial = trail, name, partial
        self.lines = {}  # seq -> hash
        self.next, self.prev = 0, ZEROS
        self.last_time = self.last_mono = None
        self.max_time, self.lag = name_time(name), 0
        self.opening = None
        self.checkpoint = ZEROS
        self.ending = "no"
        self.signed_to = -1
        self.unsigned = []  # what the lines since the last signature say
        self.unsigned_lines = 0
        self.gap = partial
        self.torn = None
        rows = data.split(b"\n")
        self.torn = rows.pop() or None
        for row in rows:
            self.row(row)

    def found(self, level, what, seq=None):
        self.trail.found(level, what, self.name, self.next if seq is None else seq)

    def row(self, row):
        digest = line_hash(row)
        try:
            line = json.loads(row.decode("utf-8"), parse_float=None)
            if not isinstance(line, dict) or canonical(line).encode() != row:
                raise ValueError("not canonical")
            self.check(line)
        except (ValueError, KeyError, TypeError, RecursionError):
            self.found(BROKEN, "line")
            self.lines[self.next] = digest
            self.prev, self.next = digest, self.next + 1
            return
        self.lines[line["seq"]] = digest
        self.event(line, digest)
        self.prev, self.next = digest, line["seq"] + 1

    def check(self, line):
        wall, mono = millis(line["time"]), line["monoMs"]
        if line["v"] != 1 or not TIME.match(line["time"]) or not isinstance(mono, int) or not isinstance(line["seq"], int):
            raise ValueError("members")
        if line["stream"] != self.name:
            self.found(BROKEN, "foreign line")
        if self.ending == "signed" or (self.ending == "checkpoint" and line["code"] != "AKG007I"):
            self.found(BROKEN, "after the end")
        if (line["code"] == "AKG000I") != (self.next == 0):
            self.found(BROKEN, "opening")
        if self.gap and self.next <= 2 and line["seq"] > self.next:
            self.gap, self.max_time, self.lag, self.last_time = False, 0, 0, None
        elif line["seq"] != self.next or line["prev"] != self.prev:
            self.found(BROKEN, "chain")
        if self.last_time is not None:
            if mono < self.last_mono:
                self.found(BROKEN, "monotonic clock")
            if abs(wall - self.last_time - (mono - self.last_mono)) > 1000:
                self.found(UNPROVEN, "clock stepped")
            if mono - self.last_mono > 150_000:
                self.found(UNPROVEN, "silence")
        self.last_time, self.last_mono = wall, mono
        self.max_time = max(self.max_time, wall)
        self.lag = max(self.lag, self.max_time - wall)

    def event(self, line, digest):
        code, seq = line["code"], line["seq"]
        if code == "AKG007I":
            self.batch(line, seq)
            return
        if code == "AKG000I":
            self.open(line)
        elif code == "AKG001I":
            self.check_checkpoint(line, seq)
            self.checkpoint = digest
        elif code == "AKG003W":
            self.unsigned.append(("head", line["lost"], seq))
        elif "commandId" in line:
            exit_code = line.get("outcome", {}).get("exitCode", -1)
            self.unsigned.append(("command", code, line["commandId"], exit_code, seq, millis(line["time"])))
        self.unsigned_lines += 1
        if self.unsigned_lines == 257:
            self.found(BROKEN, "batch too long", seq)

    def open(self, line):
        opening = line["opening"]
        fits = (
            opening["stream"] == self.name
            and thumbprint(opening["key"]) == opening["keyId"]
            and thumbprint(opening["root"]) == opening["rootKeyId"]
            and signed(line["signature"], "aksgw-stream", opening["root"], opening)
        )
        if not fits:
            self.found(BROKEN, "opening")
            return
        if self.trail.root_keys and opening["rootKeyId"] not in self.trail.root_keys:
            self.found(BROKEN, "root key")
        self.opening = opening
        for head in opening["heads"]:
            self.trail.heads.append(head)

    def check_checkpoint(self, line, seq):
        checkpoint = line["checkpoint"]
        first = self.partial and self.checkpoint == ZEROS
        if (checkpoint["stream"], checkpoint["seq"], checkpoint["hash"]) != (self.name, seq - 1, line["prev"]):
            self.found(BROKEN, "checkpoint", seq)
        if checkpoint["prevCheckpoint"] != self.checkpoint and not first:
            self.found(BROKEN, "checkpoint", seq)
        if self.opening and checkpoint["trail"] != self.opening["trail"]["id"]:
            self.found(BROKEN, "checkpoint", seq)
        if not self.opening or not signed(line["signature"], "aksgw-checkpoint", self.opening["key"], checkpoint):
            self.found(BROKEN, "checkpoint", seq)
            return
        self.signed_to = max(self.signed_to, seq - 1)
        if checkpoint.get("final"):
            self.ending = "checkpoint"
        self.trail.heads += checkpoint["heads"]
        if "storeTime" in checkpoint and abs(millis(checkpoint["storeTime"]) - millis(checkpoint["time"])) > 300_000:
            self.found(UNPROVEN, "store clock", seq)

    def batch(self, line, seq):
        payload = {name: value for name, value in line.items() if name != "signature"}
        if not self.partial or self.gap:
            if line["maxTime"] != rfc3339(self.max_time) or line["lagMs"] != self.lag:
                self.found(BROKEN, "batch times", seq)
        if (line.get("final") is True) != (self.ending == "checkpoint"):
            self.found(BROKEN, "batch end", seq)
        if self.ending == "checkpoint":
            self.ending = "signed"
        if not self.opening or not signed(line["signature"], "aksgw-batch", self.opening["key"], payload):
            self.found(BROKEN, "signature", seq)
            return
        self.signed_to = seq
        for said in self.unsigned:
            if said[0] == "head":
                self.trail.heads.append(said[1])
            else:
                self.trail.command(self.name, *said[1:])
        self.unsigned, self.unsigned_lines = [], 0

    @property
    def last(self):
        return self.next - 1

    @property
    def final(self):
        return self.ending == "signed" and self.signed_to == self.last


class Trail:
    def __init__(self, root_keys, now):
        self.root_keys, self.now = set(root_keys), now
        self.findings, self.heads, self.commands, self.streams = [], [], {}, {}
        if not self.root_keys:
            self.found(UNPROVEN, "no root key named", "", -1)

    def found(self, level, what, stream, seq):
        self.findings.append({"level": level, "what": what, "stream": stream, "seq": seq})

    def command(self, stream, code, command_id, exit_code, seq, time):
        self.commands.setdefault(command_id, []).append((stream, seq, code, exit_code, time))

    def finish(self, partial):
        ids = {}
        for stream in self.streams.values():
            if stream.opening:
                ids.setdefault(stream.opening["trail"]["id"], []).append(stream.name)
        for own in sorted(ids.values(), key=len)[:-1]:
            for name in own:
                self.found(BROKEN, "another trail", name, 0)
        for stream in self.streams.values():
            self.tail(stream)
            if not partial:
                self.end(stream)
        if not partial:
            self.witness()
            self.pair()

    def saw(self, stream):
        return [head for head in self.heads if head["stream"] == stream.name]

    def tail(self, stream):
        torn = stream.torn and {"bytes": len(stream.torn), "sha256": hashlib.sha256(stream.torn).hexdigest()}
        here = [head for head in self.saw(stream) if head["seq"] == stream.last]
        explained = any(head.get("torn") == torn and (stream.last == -1 or head["hash"] == stream.prev) for head in here)
        if not torn and any(head.get("torn") for head in here):
            self.found(BROKEN, "torn bytes gone", stream.name, stream.next)
        for seen in (head["torn"] for head in here if torn and head.get("torn")):
            if hashlib.sha256(stream.torn[: seen["bytes"]]).hexdigest() != seen["sha256"]:
                self.found(BROKEN, "torn bytes changed", stream.name, stream.next)
        if stream.last == -1 and not torn and not explained:
            self.found(UNPROVEN, "empty", stream.name, 0)
        if (stream.last != stream.signed_to or torn) and not explained:
            self.found(UNPROVEN, "unsigned end", stream.name, stream.signed_to + 1)

    def end(self, stream):
        if stream.last == -1 or stream.last_time is None:
            return
        if stream.last_time > self.now + 300_000:
            self.found(UNPROVEN, "time ahead", stream.name, stream.last)
        lives = self.now - 120_000 < stream.last_time <= self.now + 300_000
        seen = any(head["seq"] == stream.last and head["hash"] == stream.prev for head in self.saw(stream))
        if not stream.final and not lives and not seen:
            self.found(UNPROVEN, "no end", stream.name, stream.last)

    def witness(self):
        for head in self.heads:
            stream = self.streams.get(head["stream"])
            if stream is None:
                self.found(BROKEN, "stream missing", head["stream"], head["seq"])
            elif head["seq"] > stream.last:
                self.found(BROKEN, "tail cut", stream.name, head["seq"])
            elif head["seq"] >= 0 and stream.lines.get(head["seq"]) != head["hash"]:
                self.found(BROKEN, "history replaced", stream.name, head["seq"])

    def pair(self):
        for command_id, events in self.commands.items():
            intents = [event for event in events if event[2] == "AKG300I"]
            outcomes = [event for event in events if event[2] in OUTCOMES]
            if len(intents) > 1:
                self.found(BROKEN, "two intents", intents[1][0], intents[1][1])
            if not intents and any(code not in ("AKG308W", "AKG311I") for _, _, code, _, _ in outcomes):
                self.found(BROKEN, "outcome without intent", outcomes[0][0], outcomes[0][1])
            if not intents and any(event[2] == "AKG302I" for event in events):
                self.found(BROKEN, "sent without intent", events[0][0], events[0][1])
            for outcome in outcomes:
                if intents and outcome[0] == intents[0][0] and outcome[1] < intents[0][1]:
                    self.found(BROKEN, "outcome before intent", outcome[0], outcome[1])
            for outcome in outcomes[1:]:
                first = outcomes[0]
                if outcome[2:4] != first[2:4] or outcome[0] == first[0]:
                    self.found(BROKEN, "two outcomes", outcome[0], outcome[1])
            for sent in (event for event in events if event[2] == "AKG302I"):
                if any(outcome[0] == sent[0] and outcome[1] < sent[1] for outcome in outcomes):
                    self.found(BROKEN, "sent after outcome", sent[0], sent[1])
            if intents and not outcomes and self.now - intents[0][4] > 7_200_000:
                self.found(UNPROVEN, "intent without outcome", intents[0][0], intents[0][1])

    def report(self):
        levels = {finding["level"] for finding in self.findings}
        verdict = BROKEN if BROKEN in levels else UNPROVEN if UNPROVEN in levels else "INTACT"
        return {
            "verdict": verdict,
            "streams": {name: {"last": one.last, "signedUpTo": one.signed_to, "final": one.final} for name, one in self.streams.items()},
            "findings": self.findings,
        }


def read_folder(trail, folder):
    segments = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        found = SEGMENT.match(entry.name)
        if entry.name == "trail.json":
            continue
        if not found or not entry.is_file(follow_symlinks=False):
            trail.found(UNPROVEN, "not a stream", entry.name, -1)
            continue
        segments.setdefault(found[1], {})[int(found[2])] = entry.path
    for name in sorted(segments, reverse=True):
        if not NAME.match(name):
            trail.found(UNPROVEN, "not a stream", name, -1)
        data, number = b"", 0
        while number in segments[name]:
            with open(segments[name].pop(number), "rb") as file:
                data += file.read()
            number += 1
        for _ in segments[name]:
            trail.found(UNPROVEN, "not a stream", name, -1)
        trail.streams[name] = Stream(trail, name, data)


def read_export(trail, file):
    with open(file, "rb") as handle:
        rows = handle.read().split(b"\n")
    rows.pop()
    last = json.loads(rows[-1]) if rows else {}
    manifest = last.get("manifest")
    if manifest is None:
        trail.found(UNPROVEN, "no manifest", "", -1)
    else:
        rows.pop()
        body = b"".join(row + b"\n" for row in rows)
        if hashlib.sha256(body).hexdigest() != manifest["sha256"] or len(rows) != manifest["lines"]:
            trail.found(BROKEN, "manifest", "", -1)
        if "key" not in last:
            trail.found(UNPROVEN, "manifest not signed", "", -1)
        elif not signed(last["signature"], "aksgw-export", last["key"], manifest):
            trail.found(BROKEN, "manifest signature", "", -1)
        elif thumbprint(last["key"]) not in trail.root_keys:
            trail.found(UNPROVEN, "manifest by another key", "", -1)
    streams = {}
    for row in rows:
        streams.setdefault(json.loads(row)["stream"], []).append(row)
    for name, own in streams.items():
        trail.streams[name] = Stream(trail, name, b"".join(row + b"\n" for row in own), partial=True)
    for listed in (manifest or {}).get("streams", []):
        if listed["stream"] not in streams:
            trail.found(BROKEN, "stream left out", listed["stream"], listed["from"])
            continue
        own = streams[listed["stream"]]
        before = 2 if listed["from"] > 1 else 0
        if (
            listed["lines"] != len(own)
            or listed["lines"] != listed["to"] - listed["from"] + 1 + before
            or json.loads(own[-1])["seq"] != listed["to"]
            or line_hash(own[-1]) != listed["hash"]
        ):
            trail.found(BROKEN, "stream differs from the manifest", listed["stream"], listed["from"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--root-key", action="append", default=[])
    parser.add_argument("--now")
    parser.add_argument("--export")
    given = parser.parse_args()
    now = datetime.datetime.now(datetime.timezone.utc)
    if given.now:
        now = datetime.datetime.fromisoformat(given.now.replace("Z", "+00:00"))
    trail = Trail(given.root_key, int(now.timestamp() * 1000))
    if given.export:
        read_export(trail, given.export)
    else:
        read_folder(trail, given.folder)
    trail.finish(partial=bool(given.export))
    report = trail.report()
    print(json.dumps(report, indent=1))
    sys.exit({"INTACT": 0, UNPROVEN: 3, BROKEN: 1}[report["verdict"]])


if __name__ == "__main__":
    main()
