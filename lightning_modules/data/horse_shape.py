r"""A horse as a signed distance field of smoothly united tapered capsules.

Metres; x points forward, y to the horse's left, z up; the ground is z = 0 and the withers stand near
z = 1.6. The pose follows a gait phase, 2 pi-periodic, of a walk or of a canter.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["CANTER", "WALK", "Capsule", "Gait", "Part", "horse"]

Point = tuple[float, float, float]
Colour = tuple[float, float, float]

BAY, DARK_BAY, BLACK, WHITE, HORN = (
    (0.52, 0.27, 0.12),
    (0.45, 0.23, 0.11),
    (0.08, 0.05, 0.04),
    (0.88, 0.86, 0.82),
    (0.10, 0.09, 0.08),
)
SOCK = (0.16, 0.09, 0.06)

#: Leg -> (side, colour below the knee).
LEGS: dict[str, tuple[int, Colour]] = {
    "left hind": (1, SOCK),
    "left fore": (1, WHITE),
    "right hind": (-1, WHITE),
    "right fore": (-1, SOCK),
}
#: What the trunk turns about when it rocks: x and z (metres).
PIVOT = (0.0, 1.2)


class Gait(NamedTuple):
    """How the horse moves in a stride.

    `delays` are the shares of the stride by which the legs follow the left hind leg, in the order of `LEGS`;
    `beats` how often head and trunk go up and down, `bob` by how much (metres), `nod` and `rock` the angles by which
    neck and trunk turn (radians), `nods` by how much of the stride (radians) the neck is ahead, `sway` how far the tail
    swings (metres), `lift` how sharply a leg is lifted, an exponent.
    """

    delays: tuple[float, float, float, float]
    beats: int
    bob: float
    nod: float
    nods: float
    rock: float
    sway: float
    lift: int


#: Four beats, one leg after the other: left and right look much alike half a stride apart.
WALK = Gait((0.00, 0.25, 0.50, 0.75), beats=2, bob=0.018, nod=0.06, nods=0.8, rock=0.0, sway=0.10, lift=2)
#: Both hind legs, then both fore legs, the trunk rocking once a stride: no two phases look alike from anywhere.
#: Trunk and neck move at different times, so that the gait is seen in two ways also where the horse comes straight on.
CANTER = Gait((0.00, 0.45, 0.12, 0.57), beats=1, bob=0.08, nod=0.25, nods=1.6, rock=0.14, sway=0.14, lift=1)


class Capsule(NamedTuple):
    """A segment from `start` to `end` swept by a ball whose radius runs from `r_start` to `r_end`."""

    start: Point
    end: Point
    r_start: float
    r_end: float


class Part(NamedTuple):
    """Capsules of one colour.

    `join` is the width over which they melt into each other, `blend` that over which the part melts
    into those before it (metres); `width` below 1 flattens the part sideways.
    """

    name: str
    colour: Colour
    join: float
    blend: float
    width: float
    capsules: list[Capsule]


def horse(phase: float = 0.0, gait: Gait = WALK) -> list[Part]:
    """The parts of a horse at `phase` of its stride (radians, 2 pi-periodic)."""
    bob, rock = gait.bob * math.sin(gait.beats * phase), gait.rock * math.cos(phase - 0.6)
    cos, sin = math.cos(rock), math.sin(rock)

    def body(x: float, z: float, y: float = 0.0) -> Point:
        dx, dz = x - PIVOT[0], z - PIVOT[1]
        return (PIVOT[0] + cos * dx - sin * dz, y, PIVOT[1] + sin * dx + cos * dz + bob)

    return [
        Part("trunk", BAY, 0.16, 0.12, 0.80, _trunk(body)),
        *_neck_and_head(body, nod=gait.nod * math.sin(gait.beats * phase + gait.nods)),
        Part("tail", BLACK, 0.05, 0.03, 1.00, _tail(body, phase, gait)),
        *(
            part
            for leg, delay in zip(LEGS, gait.delays, strict=True)
            for part in _leg(leg, phase - 2 * math.pi * delay, gait.lift, body)
        ),
    ]


def _trunk(at: Callable[..., Point]) -> list[Capsule]:
    return [
        Capsule(at(0.40, 1.20), at(-0.10, 1.155), 0.365, 0.355),  # barrel
        Capsule(at(-0.10, 1.155), at(-0.46, 1.235), 0.355, 0.330),  # loin
        Capsule(at(-0.46, 1.25), at(-0.60, 1.24), 0.325, 0.280),  # croup
        Capsule(at(0.46, 1.32), at(0.60, 1.17), 0.300, 0.245),  # shoulder and chest
        Capsule(at(0.42, 1.50), at(0.16, 1.44), 0.100, 0.090),  # withers
    ]


def _neck_and_head(body: Callable[..., Point], nod: float) -> Iterator[Part]:
    """Everything before the shoulder, turned by `nod` radians about the base of the neck."""
    (base_x, base_z), cos, sin = (0.50, 1.40), math.cos(nod), math.sin(nod)

    def at(x: float, z: float, y: float = 0.0) -> Point:
        dx, dz = x - base_x, z - base_z
        return body(base_x + cos * dx - sin * dz, base_z + sin * dx + cos * dz, y)

    neck = [
        Capsule(at(0.50, 1.36), at(0.78, 1.62), 0.285, 0.215),
        Capsule(at(0.78, 1.62), at(1.02, 1.93), 0.215, 0.150),
        Capsule(at(1.02, 1.93), at(1.09, 2.00), 0.150, 0.135),
    ]
    head = [
        Capsule(at(1.10, 1.985), at(1.22, 1.87), 0.125, 0.150),  # poll to jowl
        Capsule(at(1.19, 1.93), at(1.50, 1.64), 0.115, 0.074),  # bridge of the nose
        Capsule(at(1.20, 1.85), at(1.46, 1.61), 0.120, 0.066),  # jaw
        Capsule(at(1.49, 1.64), at(1.545, 1.58), 0.080, 0.072),  # muzzle
    ]
    mane = [
        Capsule(at(0.62, 1.70, 0.03), at(0.86, 1.90, 0.03), 0.085, 0.105),
        Capsule(at(0.86, 1.90, 0.03), at(1.02, 2.10, 0.02), 0.105, 0.075),
        Capsule(at(1.03, 2.10), at(1.16, 2.06), 0.060, 0.045),  # forelock
    ]
    yield Part("neck", BAY, 0.12, 0.14, 0.62, neck)
    yield Part("head", BAY, 0.05, 0.05, 0.74, head)
    yield Part("mane", BLACK, 0.035, 0.03, 0.45, mane)
    for side in (1, -1):
        ear = [
            Capsule(at(1.075, 2.085, 0.062 * side), at(1.085, 2.185, 0.080 * side), 0.040, 0.034),
            Capsule(at(1.085, 2.185, 0.080 * side), at(1.115, 2.265, 0.078 * side), 0.034, 0.010),
        ]
        eye = [Capsule(at(1.255, 1.930, 0.103 * side), at(1.265, 1.925, 0.103 * side), 0.026, 0.026)]
        yield Part("ear", DARK_BAY, 0.02, 0.03, 1.0, ear)
        yield Part("eye", BLACK, 0.006, 0.006, 1.0, eye)


def _tail(at: Callable[..., Point], phase: float, gait: Gait) -> list[Capsule]:
    sway, lift = gait.sway * math.sin(phase), 0.05 * math.sin(gait.beats * phase)
    joints = [
        at(-0.80, 1.43),
        at(-0.93, 1.36),
        at(-1.03 - lift, 1.10, 0.4 * sway),
        at(-1.06 - lift, 0.80, 0.8 * sway),
        at(-1.03 - lift, 0.52, 1.2 * sway),
    ]
    radii = [0.060, 0.075, 0.105, 0.085, 0.030]
    return [Capsule(joints[i], joints[i + 1], radii[i], radii[i + 1]) for i in range(4)]


def _leg(name: str, phase: float, sharpness: int, at: Callable[..., Point]) -> Iterator[Part]:
    """One leg: joints by forward kinematics, then thigh, cannon and hoof around them."""
    side, stocking = LEGS[name]
    swing = math.sin(phase)  # +1 foremost, -1 hindmost
    lift = (0.5 + 0.5 * math.cos(phase - 0.25)) ** sharpness  # largest in the middle of the swing
    if name.endswith("fore"):
        shoulder = 0.38 * swing + 0.20 * lift
        knee = shoulder - 1.15 * lift
        fetlock = knee + 0.32 - 0.90 * lift
        lengths: tuple[float, ...] = (0.47, 0.36, 0.13, 0.055)
        angles: tuple[float, ...] = (shoulder, knee, fetlock, fetlock - 0.15)
        root, out = at(0.50, 1.02), 0.165
    else:
        hip = 0.42 + 0.30 * swing + 0.22 * lift
        stifle = -0.62 + 0.34 * swing - 0.45 * lift
        hock = 0.08 + 0.40 * swing + 0.10 * lift
        fetlock = hock + 0.34 - 0.80 * lift
        lengths = (0.36, 0.46, 0.37, 0.13, 0.055)
        angles = (hip, stifle, hock, fetlock, fetlock - 0.15)
        root, out = at(-0.52, 1.25), 0.160

    joints = [(root[0], out * side, root[2])]
    for i, (length, angle) in enumerate(zip(lengths, angles, strict=True), start=1):
        x, _, z = joints[-1]
        y = (out + (0.125 - out) * i / len(lengths)) * side  # feet closer together than hips
        joints.append((x + length * math.sin(angle), y, z - length * math.cos(angle)))
    *upper, joint, pastern, coronet, toe = joints  # `joint`: knee or hock

    if name.endswith("fore"):
        high = [
            Capsule(at(0.55, 1.24, 0.14 * side), upper[0], 0.190, 0.150),
            Capsule(upper[0], joint, 0.140, 0.068),
        ]
        low = [Capsule(joint, joint, 0.070, 0.070), Capsule(joint, pastern, 0.056, 0.046)]
        low += [Capsule(pastern, pastern, 0.056, 0.056), Capsule(pastern, coronet, 0.047, 0.050)]
    else:
        high = [Capsule(upper[0], upper[1], 0.235, 0.165), Capsule(upper[1], joint, 0.155, 0.068)]
        low = [Capsule(joint, joint, 0.074, 0.074), Capsule(joint, pastern, 0.060, 0.050)]
        low += [Capsule(pastern, pastern, 0.060, 0.060), Capsule(pastern, coronet, 0.049, 0.050)]
    hoof = [Capsule(coronet, (toe[0] + 0.025, toe[1], toe[2]), 0.052, 0.068)]

    yield Part(f"{name} leg", BAY, 0.065, 0.11, 1.0, high)
    yield Part(f"{name} shin", stocking, 0.03, 0.05, 1.0, low)
    yield Part(f"{name} hoof", HORN, 0.015, 0.012, 1.0, hoof)
