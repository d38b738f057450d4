"""The parts of the benchmarks beside peers: what runs by turns with what, and what must be reached.

A part is a list of groups. The programs of a group do their rounds by turns, for each phase:

- `peers`: command lines of C programs of this folder; `{data}` is the folder of data.
- `ours`: arguments of the binary `peers` of the crate dash-benches.
- `builds`: how that is built: default, for the machine's own processor, for x86-64-v3.
- `phases`: in this order; nine rounds of a phase, then the next.
- `made`: files that are made once in `{made}`.

A bar names a work, our program, the peers of which the fastest counts, and the most that our time
may be of theirs, for each page size.
"""

from dataclasses import dataclass, field


@dataclass
class Group:
    peers: list
    ours: list
    phases: list
    # Files that are made once: the file, and the command that writes it.
    made: list = field(default_factory=list)
    builds: tuple = ("default", "native")


@dataclass
class Bar:
    work: str
    ours: str
    peers: list
    most: dict
    # The peers' work, where it has another name.
    beside: str = ""
    # Builds that are bounded by our own time for x86-64-v3 instead, and what they may take of it.
    builds: dict = field(default_factory=dict)


@dataclass
class Limit:
    """What our program may take of a work by itself: time of one operation, bytes of all."""
    work: str
    ours: str
    ns: float = None
    bytes: float = None


def bar(work, ours, peers, most, huge=None):
    return Bar(work, ours, peers, {"4k": most, "2m": most if huge is None else huge})


def hash_groups(quick):
    churn = "1" if quick else "12"
    groups = []
    for size in (16, 20, 23):
        table = ["--size", str(size), "--churn", churn]
        peers = [["hash", *table]]
        if size == 20:
            peers.append(["hash", *table, "--lf"])
        phases = ["fill", "look-up", "connection", "churn-90", "churn-95"]
        groups.append(Group(peers, [["hash", *table]], phases))
        # An entry as long as a flow, whose first line is read; and no prefetch.
        groups.append(
            Group([["hash", *table]],
                  [["hash", *table, "--entry", "192"], ["hash", *table, "--no-prefetch"]],
                  ["fill", "look-up"]))
    # What the reads of a hit take by themselves.
    groups.append(Group([["baseline"]], [], ["limits"]))
    return groups


# A burst by itself, bursts of which each is begun before the one before it is answered, long calls.
HASH_WAYS = ("bulk32", "bulk32_overlapped", "bulk256")

HASH_BARS = [
    *(bar(f"{size} hit", f"dash_cuckoo_{way}", ["rte_hash_bulk32"], most, huge)
      for size, most, huge in (("64k", 0.7, None), ("1M", 0.6, None), ("8M", 0.8, 0.6))
      for way in HASH_WAYS),
    *(bar(f"{size} miss", f"dash_cuckoo_{way}", ["rte_hash_bulk32"], 1.0)
      for size in ("64k", "1M", "8M") for way in HASH_WAYS),
    bar("1M fill", "dash_cuckoo", ["rte_hash", "rte_hash_lf"], 0.8),
    bar("8M fill", "dash_cuckoo", ["rte_hash"], 0.8),
    *(bar(f"{size} churn at {load} %", f"dash_cuckoo_{way}", ["rte_hash"], 0.8)
      for size in ("1M", "8M") for load in (90, 95) for way in ("bulk16", "single")),
]


def mapping_groups(quick):
    size = ["--size", "20" if quick else "23"]
    return [Group([["hash", "--mapping", *size]], [["mapping", *size]],
                  ["fill", "look-up", "replace"])]


MAPPING_BARS = [
    Bar(f"{size} mapping {what}", ours, ["rte_hash"], {"4k": 1.0, "2m": 1.0}, f"{size} mapping fill")
    for size in ("1M", "8M") for what in ("fill", "replace") for ours in ("dash_exact", "dash_exact_ahead")
]


def packet_groups(quick):
    return [Group([["hash", "--size", "20"]], [["packet"]], ["fill", "look-up", "connection"])]


PACKET_BARS = [
    Bar("whole packet, 1M flows", "dash_engine", ["rte_hash_bulk32"], {"4k": 2.3, "2m": 2.3},
        "1M hit"),
    Bar("new connection", "dash_engine", ["rte_hash_bulk32"], {"4k": 1.2, "2m": 1.2},
        "1M connection"),
]


ACL_SETS = {"acl1_1k": 0.5, "fw1_1k": 0.6, "acl1_10k": 0.54, "fw1_10k": 0.25, "dash_1k": 0.4, "dash_10k": 0.23}
ACL_TRACES = {"uniform": "0", "zipf": "1.1"}
ACL_BUILDS = ("default", "v3", "native")
FAMILIES = {"": [], " v6pre": ["--v6", "pre"], " v6spread": ["--v6", "spread"]}


def trace(name, label, folder="{data}", count=1 << 20):
    """A trace for a set of rules, and how it is made."""
    path = f"{{made}}/{name}.{label}.trace.gz"
    command = ["python3", "{here}/gen_trace.py", "--count", str(count), "--zipf", ACL_TRACES[label],
               f"{folder}/{name}.rules.gz", path]
    return path, command


def acl_groups(quick):
    groups = []
    for name in ACL_SETS:
        made = [trace(name, label) for label in ACL_TRACES]
        labels = [f"{label}={path}" for label, (path, _) in zip(ACL_TRACES, made)]
        for family in ([""] if quick else FAMILIES):
            command = ["acl", *FAMILIES[family], "{data}", name, *labels]
            groups.append(Group([command], [command], ["classify"], made, ACL_BUILDS))
    for name in ("dash_1k", "dash_10k"):
        command = ["acl", "{data}", name, f"trace={{data}}/{name}.trace.gz"]
        groups.append(Group([command], [command], ["compile"], [], ACL_BUILDS))
    # Stages of DASH's own size, of which a card has 320: five of them, and all.
    for overlap in ("dash", "none"):
        names = [f"list100_{overlap}_{seed}" for seed in range(1, 6)]
        made = []
        for seed, name in enumerate(names, 1):
            rules = f"{{made}}/{name}.rules.gz"
            made += [(rules, ["python3", "{here}/gen_dash.py", "--list", "100", "--overlap", overlap,
                              "--seed", str(seed), "1000", "32", "{made}", name]),
                     trace(name, "uniform", "{made}", (1 << 20) // 5 + 1)]
        stages = ["stages", "{made}", overlap, *names]
        groups.append(Group([["baseline"]], [stages], ["limits", "compile"], made, ACL_BUILDS))
    # Tags, beside the same prefixes in the rules.
    tags = [["tags", "100", "24000"], ["tags", "512", "1000", "shared"], ["tags", "100", "24000", "shared"]]
    groups.append(Group([], tags, ["classify", "update"], [], ACL_BUILDS))
    return groups


TAGS = ("100 tags of 24000", "512 tags of 1000, shared", "100 tags of 24000, shared")

# The bars are those of x86-64-v3.
ACL_ALLOWED = {"default": 1.7, "native": 1.1}
ACL_BARS = [
    *(Bar(f"{name}{family} {label}", "dash_acl_burst32", ["rte_acl_scalar_bulk32"], {"4k": most},
          builds=ACL_ALLOWED)
      for name, most in ACL_SETS.items() for family in FAMILIES for label in ACL_TRACES),
    *(Bar(f"5 stages, {overlap}", "dash_acl_burst32", ["baseline"], {"4k": 40.0},
          "independent reads in 32 MiB", ACL_ALLOWED) for overlap in ("dash", "none")),
    *(Bar(work, "dash_acl_tags", ["dash_acl_inline"], {"4k": 1.5}, builds=ACL_ALLOWED) for work in TAGS),
]
ACL_BYTES = {"acl1_1k": 256e3, "fw1_1k": 512e3, "acl1_10k": 1e6, "fw1_10k": 2e6, "dash_1k": 4e5, "dash_10k": 3e6}
ACL_LIMITS = [
    *(Limit(f"{name}{family} uniform", "dash_acl_burst32", bytes=most * (2 if family else 1))
      for name, most in ACL_BYTES.items() for family in FAMILIES),
    Limit("dash_1k compile", "dash_acl", ns=10e6),
    Limit("dash_10k compile", "dash_acl", ns=250e6),
    *(Limit(f"5 stages, {overlap}", "dash_acl_burst32", bytes=5 * most)
      for overlap, most in (("dash", 3e6), ("none", 1.5e6))),
    # The time is that of one group, of 50,500 prefixes on each side.
    *(Limit(f"320 groups, {overlap}, compile", "dash_acl", ns=400e6, bytes=1e9) for overlap in ("dash", "none")),
    *(Limit(f"{work} change{what}{which}", "dash_acl_tags", ns=50e3)
      for work in TAGS for what in ("", " of a /8") for which in ("", ", slowest")),
]


def lpm_groups(quick):
    phases = ["build", "look-up", "update", "default", "age"]
    return [
        Group([["lpm", "{data}", "fib4"], ["lpm", "{data}", "lpm4"]], [["lpm", "{data}", "bgp4"]], phases),
        Group([["lpm", "{data}", "fib6"]], [["lpm", "{data}", "bgp6"]], phases),
        Group([["baseline"]], [["lpm", "{data}", "subsets"], ["lpm", "{data}", "disjoint"]], ["limits"]),
    ]


LPM_BARS = [
    bar("bgp4 in-prefix", "dash_poptrie_bulk32", ["rte_fib_scalar_bulk32"], 1.2),
    bar("bgp4 uniform", "dash_poptrie_bulk32", ["rte_fib_scalar_bulk32"], 0.8),
    bar("bgp4 hot1k", "dash_poptrie_bulk32", ["rte_fib_scalar_bulk32"], 2.5),
    bar("bgp6 in-prefix", "dash_poptrie_bulk32", ["rte_fib6_scalar_bulk32"], 0.8),
    bar("bgp4 update", "dash_poptrie", ["rte_fib"], 0.5),
    bar("bgp4 build", "dash_poptrie", ["rte_fib"], 3.0),
    *(bar(work, f"dash_poptrie_bulk{size}", ["dash_poptrie_single"], 1.05)
      for size in (1, 2, 3, 8, 31, 32) for work in ("bgp4 in-prefix", "bgp4 uniform", "bgp4 hot1k", "bgp6 in-prefix", "bgp6 uniform", "bgp6 hot1k")),
    *(Bar(f"32 tables, {what}", "dash_poptrie_bulk32", ["baseline"], {"4k": 6.0, "2m": 6.0},
          "independent reads in 32 MiB") for what in ("subsets", "disjoint")),
]
LPM_LIMITS = [
    Limit(f"{family} {what} after 10^6 updates", "dash_poptrie", bytes=most)
    for family, all_in, read in (("bgp4", 24e6, 7.5e6), ("bgp6", 10e6, 4.5e6))
    for what, most in (("all", all_in), ("read by look-ups", read))
]


PARTS = {
    "baseline": (lambda quick: [Group([["baseline"], ["hashcrc"]], [], ["limits"])], []),
    "hash": (hash_groups, HASH_BARS),
    "mapping": (mapping_groups, MAPPING_BARS),
    "packet": (packet_groups, PACKET_BARS),
    "acl": (acl_groups, ACL_BARS),
    "lpm": (lpm_groups, LPM_BARS),
}

LIMITS = {"acl": ACL_LIMITS, "lpm": LPM_LIMITS}
