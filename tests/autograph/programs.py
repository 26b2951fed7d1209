"""Random Python functions of two numbers, with branches, loops and jumps."""


def random_function(generator, jumps=True):
    """The source of `f(a, b)`, which always ends and always returns an int."""
    lines = ["def f(a, b):", "    x, y = a, b"]
    counter = [0]

    def expression():
        return generator.choice(["x + 1", "y - x", "x * 2 - y", "a + y", "x % 5", "b - 1", "y + 3"])

    def condition():
        return generator.choice(["x > y", "y > 2", "a == b", "x % 2 == 0", "x < 4 and y < 6", "not x > 1 or b > 0"])

    def block(depth, indent, in_loop):
        pad = "    " * indent
        for _ in range(generator.randint(1, 3)):
            kind = generator.random()
            if kind < 0.45 or depth == 0:
                lines.append(f"{pad}{generator.choice('xy')} = ({expression()}) % 17")
            elif kind < 0.75:
                lines.append(f"{pad}if {condition()}:")
                block(depth - 1, indent + 1, in_loop)
                if generator.random() < 0.5:
                    lines.append(f"{pad}else:")
                    block(depth - 1, indent + 1, in_loop)
            else:
                counter[0] += 1
                name = f"i{counter[0]}"
                if generator.random() < 0.5:
                    lines.append(f"{pad}for {name} in range({generator.randint(1, 3)}):")
                    lines.append(f"{pad}    y = y + {name}")
                else:
                    lines.append(f"{pad}{name} = a * 0")
                    lines.append(f"{pad}while {name} < {generator.randint(1, 3)}:")
                    lines.append(f"{pad}    {name} = {name} + 1")
                block(depth - 1, indent + 1, True)
        if jumps and generator.random() < 0.3:
            choices = ["return x * 100 + y"] + (["break", "continue"] if in_loop else [])
            lines.append(f"{pad}{generator.choice(choices)}")

    block(3, 1, False)
    if not lines[-1].startswith("    return"):
        lines.append("    return x * 100 + y")
    return "\n".join(lines) + "\n"
