"""Who calls whom in a linked image: functions, direct calls and jumps between them, from the
symbols and the disassembly. What cannot be read as such is kept as a doubt of its function.

Knows the branches of aarch64 and of riscv32/64 (with compressed instructions, and calls in two
instructions). Switches must be compiled without jump tables (`-Cjump-tables=no`): on riscv the
jump through a table looks like an indirect call.
"""

import bisect
import dataclasses
import re

import image

# Conditional branches of aarch64 (b.eq, bc.eq, cbz, tbnz) have their target last.
AARCH64_BRANCH = re.compile(r"(bl?|bc?\.\w+|cbn?z|tbn?z)$")
AARCH64_INDIRECT = re.compile(r"(blr|br)(a[ab]z?)?$")
RISCV_BRANCH = re.compile(r"(jal|c\.jal|c\.j|b\w+|c\.beqz|c\.bnez)$")
RISCV_INDIRECT = re.compile(r"(jalr|c\.jalr|c\.jr)$")
RISCV_RETURNS = {("c.jr", "ra"), ("jalr", "zero, 0x0(ra)"), ("jalr", "zero, 0(ra)")}
INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\s+(\S+)(?:\s+(.*))?$")
TARGET = re.compile(r"0x([0-9a-f]+)(?: <.*>)?$")
AUIPC = re.compile(r"(\w+), (0x[0-9a-f]+|\d+)$")
JALR = re.compile(r"(\w+), (-?)(0x[0-9a-f]+|\d+)\((\w+)\)(?: <.*>)?$")


@dataclasses.dataclass
class Function:
    """A function: addresses [start, end)."""
    name: str
    start: int
    end: int
    callees: set = dataclasses.field(default_factory=set)
    doubts: set = dataclasses.field(default_factory=set)


class CallGraph:
    """The functions of an image by the address of their first instruction."""

    def __init__(self, elf, arch):
        self.functions = symbols(elf)
        self.starts = sorted(self.functions)
        self.pointer = 4 if arch == "riscv32" else 8
        branch = self.aarch64 if arch == "aarch64" else self.riscv
        previous = None
        for address, mnemonic, operands in instructions(elf, arch):
            function = self.at(address)
            if function is not None:
                branch(function, address, mnemonic, operands, previous)
            previous = (address, mnemonic, operands)

    def at(self, address):
        """The function that `address` lies in."""
        index = bisect.bisect_right(self.starts, address) - 1
        function = self.functions[self.starts[index]] if index >= 0 else None
        return function if function is not None and address < function.end else None

    def named(self, name):
        """The function of this name."""
        return next(function for function in self.functions.values() if function.name == name)

    def callees(self, function):
        """What a function calls or jumps to, in the order of addresses."""
        return [self.functions[start] for start in sorted(function.callees)]

    def goes_to(self, function, target):
        callee = self.at(target)
        if callee is None:
            function.doubts.add(f"goes to {target:#x}, which is in no function")
        elif target == callee.start and callee is not function:
            function.callees.add(target)
        elif callee is not function:
            function.doubts.add(f"jumps into {callee.name}")

    def calls_itself(self, function, target):
        if target == function.start:
            function.callees.add(target)

    def aarch64(self, function, _address, mnemonic, operands, _previous):
        if AARCH64_INDIRECT.match(mnemonic):
            function.doubts.add(f"indirect: {mnemonic} {operands}")
        elif AARCH64_BRANCH.match(mnemonic):
            target = int(TARGET.search(operands)[1], 16)
            self.goes_to(function, target)
            if mnemonic == "bl":
                self.calls_itself(function, target)

    def riscv(self, function, address, mnemonic, operands, previous):
        if (mnemonic, operands) in RISCV_RETURNS:
            return
        target = None
        links = False
        if RISCV_INDIRECT.match(mnemonic):
            target = pair(address, mnemonic, operands, previous)
            links = not operands.startswith("zero")
            if target is None:
                function.doubts.add(f"indirect: {mnemonic} {operands}")
        elif RISCV_BRANCH.match(mnemonic):
            target = int(TARGET.search(operands)[1], 16)
            links = mnemonic == "c.jal" or mnemonic == "jal" and not operands.startswith("zero")
        if target is not None:
            self.goes_to(function, target)
            if links:
                self.calls_itself(function, target)


def pair(address, mnemonic, operands, previous):
    """Where `auipc` and `jalr` together go."""
    jalr = JALR.match(operands) if mnemonic == "jalr" else None
    auipc = AUIPC.match(previous[2]) if previous and previous[1] == "auipc" else None
    if not jalr or not auipc or jalr[4] != auipc[1] or previous[0] + 4 != address:
        return None
    low = int(jalr[3], 0) * (-1 if jalr[2] else 1)
    high = int(auipc[2], 0)
    high -= (high & 0x80000) << 1
    return previous[0] + (high << 12) + low


def symbols(elf):
    """All functions that have a size."""
    functions = {}
    for line in image.output(image.llvm() / "llvm-nm", "--print-size", "--demangle", elf).splitlines():
        fields = re.match(r"([0-9a-f]+) ([0-9a-f]+) [tTwW] (.+)", line)
        if fields and int(fields[2], 16):
            start = int(fields[1], 16)
            functions[start] = Function(fields[3], start, start + int(fields[2], 16))
    return functions


def instructions(elf, arch):
    """Address, mnemonic and operands of each instruction."""
    command = [image.llvm() / "llvm-objdump", "--disassemble", "--no-show-raw-insn"]
    if arch != "aarch64":
        command += ["--disassembler-options=no-aliases"]
    for line in image.output(*command, elf).splitlines():
        fields = INSTRUCTION.match(line)
        if fields:
            yield int(fields[1], 16), fields[2], fields[3] or ""
